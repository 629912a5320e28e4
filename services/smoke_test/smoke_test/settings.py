"""Settings of the smoke test, from the environment: ``SMOKE_TEST_`` and the field's name in capitals."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from servicekit.settings import ProgramSettings
from servicekit.tls import AuthorityFile

__all__ = ["SmokeTestSettings"]


class SmokeTestSettings(ProgramSettings):
    """Settings of the smoke test. A part without a URL is not checked."""

    model_config = SettingsConfigDict(env_prefix="SMOKE_TEST_")

    gateway_url: str = Field(pattern=r"^https?://.+[^/]$")
    """URL of the gateway."""

    oidc_issuer: str = Field(pattern=r"^https?://.+[^/]$")
    """Issuer of the Keycloak realm."""

    qdrant_url: str = Field(pattern=r"^https?://.+[^/]$")
    """URL of Qdrant's REST API."""

    qdrant_ca_file: AuthorityFile | None = None
    """CA that issued Qdrant's certificate; without it, the public ones are trusted."""

    bucket: str = Field(min_length=3)
    """Bucket of the documents."""

    tenant_role_arn: str = Field(pattern=r"^arn:")
    """Role that the gateway assumes for documents."""

    model_role_arn: str = Field(pattern=r"^arn:")
    """Role that the gateway assumes for models."""

    embedding_model: str = Field("amazon.titan-embed-text-v2:0", min_length=1)
    """Model for embeddings."""

    file_sync_url: str = Field("", pattern=r"^(https?://.+[^/])?$")
    """URL of file-sync."""

    n8n_webhook_url: str = Field("", pattern=r"^(https?://.+[^/])?$")
    """URL of n8n's webhook processors."""

    open_webui_url: str = Field("", pattern=r"^(https?://.+[^/])?$")
    """URL of Open WebUI."""

    timeout_seconds: float = Field(60.0, gt=0)
    """Longest time in which each check must pass."""
