"""Settings of the operator, from the environment (``OPERATOR_*``)."""

from typing import TypeVar

from pydantic import AnyHttpUrl, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from servicekit.tls import AuthorityFile
from tenancy.receipts import PrivateKeyFile

__all__ = ["Settings"]

V = TypeVar("V", str, SecretStr)


class Settings(BaseSettings):
    """Settings of the operator. The SDKs of AWS and Kubernetes find their settings themselves."""

    model_config = SettingsConfigDict(env_prefix="OPERATOR_", env_ignore_empty=True, frozen=True)

    bucket: str = Field(min_length=3, description="S3 bucket of the documents.")
    keycloak_url: AnyHttpUrl = Field(description="Base URL of Keycloak, without /realms.")
    keycloak_realm: str = Field("tenantry", description="Realm of the users.")
    keycloak_client_id: str = Field("tenantry-operator", description="Client with a service account.")
    keycloak_client_secret: SecretStr = Field(description="Secret of that client.")
    qdrant_url: AnyHttpUrl = Field(description="Base URL of Qdrant.")
    qdrant_api_key: SecretStr = Field(
        SecretStr(""), description="API key with the right to manage collections."
    )
    qdrant_ca_file: AuthorityFile | None = Field(
        None,
        description="PEM file of the authority that issued Qdrant's certificate; empty for a public one.",
    )
    redis_url: SecretStr = Field(
        description="URL of the services' Redis: tombstones, leases and keys of tenants."
    )
    open_webui_url: AnyHttpUrl | None = Field(None, description="Base URL of Open WebUI; empty without one.")
    open_webui_email: str = Field(
        "", validate_default=True, description="Administrator's account in Open WebUI."
    )
    open_webui_password: SecretStr = Field(
        SecretStr(""), validate_default=True, description="Password of that account."
    )
    receipt_key_file: PrivateKeyFile | None = Field(
        None, description="PEM file of the Ed25519 key that signs receipts of erasure; empty for no receipts."
    )
    concurrency: int = Field(16, ge=1, le=256, description="Tenants that are reconciled concurrently.")
    retry_seconds: float = Field(
        1.0, gt=0, description="Pause before the first retry; it doubles with each failure."
    )
    retry_longest_seconds: float = Field(60.0, gt=0, description="Longest pause between two retries.")
    stalled_seconds: float = Field(300.0, gt=0, description="Pause before the retry of a Stalled Tenant.")
    membership_seconds: float = Field(
        30.0, gt=0, description="Pause between two checks of the members of tenants' groups in Open WebUI."
    )
    probes_host: str = Field("127.0.0.1", description="Address of /healthz, /readyz and /metrics.")
    probes_port: int = Field(8081, ge=0, le=65535, description="Port of /healthz and /readyz.")
    metrics_port: int = Field(
        0, ge=0, le=65535, description="Separate port of /metrics for monitoring; 0 for none."
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @field_validator("open_webui_email", "open_webui_password")
    @classmethod
    def _needed_with_a_url(cls, value: V, info: ValidationInfo) -> V:
        if info.data.get("open_webui_url") and not value:
            raise ValueError("needed with OPERATOR_OPEN_WEBUI_URL")
        return value
