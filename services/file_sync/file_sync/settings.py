"""Settings of file-sync, from the environment: ``FILE_SYNC_`` and the field's name in capitals.

boto3 and the Kubernetes client find addresses and credentials through their own variables (``AWS_PROFILE``,
``AWS_CONFIG_FILE``, ``KUBECONFIG``) or the pod's identity.
"""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict
from servicekit.database_settings import DatabaseSettings
from servicekit.settings import HttpSettings
from tenancy.model import TenantClass
from tenancy.names import DEFAULT_TENANT_CLASS

__all__ = ["FileSyncSettings"]

MEBIBYTE = 1024 * 1024


class FileSyncSettings(HttpSettings, DatabaseSettings):
    """Settings of file-sync; each is an environment variable with the prefix ``FILE_SYNC_``."""

    model_config = SettingsConfigDict(env_prefix="FILE_SYNC_")

    tenant_class: TenantClass = DEFAULT_TENANT_CLASS
    """Class of the Tenants that are served, `spec.tenantClass`; Tenants of other classes are ignored."""

    database_url: SecretStr
    """Open WebUI's Postgres (`postgresql://`), as the role of `role.sql`; a pooler in between must pool
    sessions, not transactions."""

    files_bucket: str = Field(min_length=3)
    """Bucket of Open WebUI's files; file-sync only reads it."""

    bucket: str = Field(min_length=3)
    """Bucket of the documents."""

    tenant_role_arn: str = Field(pattern=r"^arn:")
    """IAM role that is assumed for one tenant at a time."""

    gateway_url: str = Field(pattern=r"^https?://")
    """Base URL of the gateway."""

    upload_url: str = Field(pattern=r"^https?://")
    """Complete URL of n8n's upload webhook: `.../webhook/tenantry/upload`."""

    ticket_key: Path
    """File with the private key (an Ed25519 JWK) that signs tickets."""

    keycloak_url: str = Field(pattern=r"^https?://")
    """Base URL of Keycloak, without `/realms`."""

    keycloak_realm: str = Field("tenantry", min_length=1)
    """Realm of all accounts."""

    keycloak_client_id: str = Field("tenantry-file-sync", min_length=1)
    """Id of file-sync's client, whose service account may view users and groups."""

    keycloak_client_secret: SecretStr
    """Secret of that client."""

    oidc_issuer: str = Field(pattern=r"^https?://.+[^/]$")
    """Exact issuer of the Keycloak realm, without a trailing slash."""

    oidc_audience: str = Field("tenantry-gateway", min_length=1)
    """Audience that an access token's `aud` must contain."""

    hint_secret: SecretStr = Field(min_length=16)
    """Secret that Open WebUI sends with a hint, in `X-Tenantry-Hint`."""

    poll_interval_seconds: float = Field(10.0, gt=0)
    """Interval of polls of Open WebUI's database: the longest delay when a hint is lost."""

    full_sync_interval_seconds: float = Field(900.0, gt=0)
    """Interval of full syncs: every tenant is synced, even without a change in Open WebUI."""

    owner_cache_ttl_seconds: float = Field(60.0, ge=0)
    """Lifetime of a cached answer of Keycloak about a person."""

    document_bytes: int = Field(50 * MEBIBYTE, ge=1)
    """Largest file that is stored, in bytes; the gateway has the same limit."""

    calls_per_minute: int = Field(1200, ge=1)
    """Calls per minute of one tenant's people that each replica serves."""

    put_concurrency: int = Field(8, ge=1)
    """Files that are copied to S3 concurrently, at most half of them of one tenant. Each needs room on
    disk."""

    ingest_concurrency: int = Field(8, ge=1)
    """Documents that are sent to n8n concurrently, at most half of them of one tenant."""

    ingest_timeout_seconds: float = Field(660.0, gt=0)
    """Longest time for one document at n8n; a little more than the gateway's limit."""
