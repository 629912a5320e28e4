"""Settings of file-sync, from the environment: ``FILE_SYNC_`` and the field's name in capitals.

boto3 and the Kubernetes client find addresses and credentials through their own variables (``AWS_PROFILE``,
``AWS_CONFIG_FILE``, ``KUBECONFIG``) or the pod's identity.
"""

import re
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict
from servicekit.settings import HttpSettings

__all__ = ["Settings"]

MEBIBYTE = 1024 * 1024


class Settings(HttpSettings):
    """Settings of one installation."""

    model_config = SettingsConfigDict(env_prefix="FILE_SYNC_")

    database_url: SecretStr
    """Open WebUI's Postgres (`postgresql://`), as the role of `role.sql`; a pooler in between has to pool
    sessions, not transactions."""

    files_bucket: str = Field(min_length=3)
    """Bucket in which Open WebUI keeps the files; it is only read."""

    bucket: str = Field(min_length=3)
    """Bucket of the documents."""

    tenant_role_arn: str = Field(pattern=r"^arn:")
    """IAM role that is assumed for one tenant at a time."""

    gateway_url: str = Field(pattern=r"^https?://")
    """The gateway's address."""

    upload_url: str = Field(pattern=r"^https?://")
    """n8n's upload webhook, whole: `.../webhook/tenantry/upload`."""

    ticket_key: Path
    """File with the private key (an Ed25519 JWK) with which tickets are signed."""

    keycloak_url: str = Field(pattern=r"^https?://")
    """Keycloak's address, without `/realms`."""

    keycloak_realm: str = Field("tenantry", min_length=1)
    """The realm of all people."""

    keycloak_client_id: str = Field("tenantry-file-sync", min_length=1)
    """Client with a service account that may view users and groups."""

    keycloak_client_secret: SecretStr
    """Its secret."""

    oidc_issuer: str = Field(pattern=r"^https?://.+[^/]$")
    """The Keycloak realm's issuer, to the letter, without a closing slash."""

    oidc_audience: str = Field("tenantry-gateway", min_length=1)
    """What an access token's `aud` must name."""

    hint_secret: SecretStr = Field(min_length=16)
    """What Open WebUI sends with a hint, in `X-Tenantry-Hint`."""

    poll_seconds: float = Field(10.0, gt=0)
    """How often Open WebUI's database is asked for what changed; the longest that a lost hint costs."""

    full_seconds: float = Field(900.0, gt=0)
    """How often every tenant is compared, though nothing changed in Open WebUI."""

    owner_seconds: float = Field(60.0, ge=0)
    """How long what Keycloak said of a person is taken for true."""

    document_bytes: int = Field(50 * MEBIBYTE, ge=1)
    """Largest file that is taken; the gateway has the same limit."""

    calls_per_minute: int = Field(1200, ge=1)
    """Calls of one tenant's people a minute that each file-sync serves."""

    puts_at_once: int = Field(8, ge=1)
    """Files that are copied to S3 at once, at most half of them of one tenant; each is on disk meanwhile."""

    ingests_at_once: int = Field(8, ge=1)
    """Documents that n8n is given at once, at most half of them of one tenant."""

    ingest_seconds: float = Field(660.0, gt=0)
    """Longest that one document may take there; a little more than the gateway's own limit."""

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, url: SecretStr) -> SecretStr:
        if not re.match(r"postgres(ql)?://.", url.get_secret_value()):
            raise ValueError("database_url must begin with postgresql://")
        return url
