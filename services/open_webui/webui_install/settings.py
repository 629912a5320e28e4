"""Settings of the installer, from the environment: ``WEBUI_INSTALL_`` and the field's name in capitals."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict
from servicekit.settings import ProgramSettings

__all__ = ["WebUIInstallSettings"]


class WebUIInstallSettings(ProgramSettings):
    """Settings of the job that installs functions in Open WebUI."""

    model_config = SettingsConfigDict(env_prefix="WEBUI_INSTALL_")

    url: str = Field(pattern=r"^https?://")
    """Base URL of Open WebUI."""

    admin_email: str = Field(min_length=3)
    """E-mail address of Open WebUI's administrator: its ``WEBUI_ADMIN_EMAIL``."""

    admin_password: SecretStr = Field(min_length=1)
    """Password of the administrator: ``WEBUI_ADMIN_PASSWORD`` of Open WebUI."""

    gateway_url: str = Field(pattern=r"^https?://")
    """Base URL at which Open WebUI reaches the gateway."""

    n8n_url: str = Field("", pattern=r"^(https?://.*)?$")
    """Base URL at which Open WebUI reaches n8n's webhook processes; not needed with ``direct``."""

    file_sync_url: str = Field(pattern=r"^https?://")
    """Base URL at which Open WebUI reaches file-sync."""

    hint_secret: SecretStr = Field(min_length=16)
    """Secret that proves to file-sync that a hint comes from Open WebUI."""

    orchestrator: Literal["n8n", "direct"] = "n8n"
    """Service that answers: n8n's chat workflow, or the gateway, which streams."""

    timeout_seconds: float = Field(300.0, gt=0)
    """Longest time until Open WebUI responds and has the desired state."""

    @model_validator(mode="after")
    def _require_n8n_url(self) -> Self:
        if self.orchestrator == "n8n" and not self.n8n_url:
            raise ValueError("n8n_url is needed when the orchestrator is n8n")
        return self
