"""Settings of the operator, from the environment: ``OPERATOR_`` and the field's name in capitals.

The SDKs of AWS and Kubernetes find addresses and credentials through their own variables or the pod's
identity.
"""

from typing import TypeVar

from pydantic import AnyHttpUrl, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict
from servicekit.redis_settings import RedisSettings
from servicekit.tls import AuthorityFile
from tenancy.model import TenantClass
from tenancy.names import DEFAULT_TENANT_CLASS
from tenancy.receipts import PrivateKeyFile

__all__ = ["OperatorSettings"]

V = TypeVar("V", str, SecretStr)


class OperatorSettings(RedisSettings):
    """Settings of the operator; each is an environment variable with the prefix ``OPERATOR_``."""

    model_config = SettingsConfigDict(env_prefix="OPERATOR_", env_ignore_empty=True)

    tenant_class: TenantClass = DEFAULT_TENANT_CLASS
    """Class of the Tenants that are served, `spec.tenantClass`; Tenants of other classes are ignored."""

    bucket: str = Field(min_length=3)
    """S3 bucket of the documents."""

    keycloak_url: AnyHttpUrl
    """Base URL of Keycloak, without `/realms`."""

    keycloak_realm: str = "tenantry"
    """Realm of all accounts."""

    keycloak_client_id: str = "tenantry-operator"
    """Id of the operator's client, which has a service account."""

    keycloak_client_secret: SecretStr
    """Secret of that client."""

    qdrant_url: AnyHttpUrl
    """Base URL of Qdrant."""

    qdrant_api_key: SecretStr = SecretStr("")
    """API key with the right to manage collections."""

    qdrant_ca_file: AuthorityFile | None = None
    """PEM file of the authority that issued Qdrant's certificate; empty for a public one."""

    open_webui_url: AnyHttpUrl | None = None
    """Base URL of Open WebUI; empty on a platform without Open WebUI."""

    open_webui_email: str = Field("", validate_default=True)
    """E-mail address of an administrator of Open WebUI."""

    open_webui_password: SecretStr = Field(SecretStr(""), validate_default=True)
    """Password of that account."""

    receipt_key_file: PrivateKeyFile | None = None
    """PEM file of the Ed25519 key that signs receipts of erasure; empty for no receipts."""

    concurrency: int = Field(16, ge=1, le=256)
    """Tenants that are reconciled concurrently."""

    retry_delay_seconds: float = Field(1.0, gt=0)
    """Pause before the first retry; it doubles with each failure."""

    retry_max_delay_seconds: float = Field(60.0, gt=0)
    """Longest pause between two retries."""

    stalled_retry_delay_seconds: float = Field(300.0, gt=0)
    """Pause before the retry of a Stalled Tenant."""

    membership_interval_seconds: float = Field(30.0, gt=0)
    """Pause between two checks of the members of tenants' groups in Open WebUI."""

    probes_host: str = "127.0.0.1"
    """Address of `/healthz`, `/readyz` and `/metrics`."""

    probes_port: int = Field(8081, ge=0, le=65535)
    """Port of `/healthz` and `/readyz`."""

    metrics_port: int = Field(0, ge=0, le=65535)
    """Port that serves only `/metrics`, for monitoring; 0 serves no metrics."""

    @field_validator("open_webui_email", "open_webui_password")
    @classmethod
    def _require_with_url(cls, value: V, info: ValidationInfo) -> V:
        if info.data.get("open_webui_url") and not value:
            raise ValueError("needed with OPERATOR_OPEN_WEBUI_URL")
        return value
