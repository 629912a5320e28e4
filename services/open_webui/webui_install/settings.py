"""Settings of the installer, from the environment: ``WEBUI_INSTALL_`` and the field's name in capitals."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict
from servicekit.settings import ProgramSettings

__all__ = ["Settings"]


class Settings(ProgramSettings):
    """Settings of one installation."""

    model_config = SettingsConfigDict(env_prefix="WEBUI_INSTALL_")

    url: str = Field(pattern=r"^https?://")
    """Open WebUI's address."""

    admin_email: str = Field(min_length=3)
    """Open WebUI's administrator: ``WEBUI_ADMIN_EMAIL`` there."""

    admin_password: SecretStr = Field(min_length=1)
    """Password of the administrator: ``WEBUI_ADMIN_PASSWORD`` there."""

    gateway_url: str = Field(pattern=r"^https?://")
    """The gateway's address, as Open WebUI reaches it."""

    n8n_url: str = Field("", pattern=r"^(https?://.*)?$")
    """Address of n8n's webhook processors, as Open WebUI reaches them; not needed with ``direct``."""

    file_sync_url: str = Field(pattern=r"^https?://")
    """The address of file-sync, as Open WebUI reaches it."""

    hint_secret: SecretStr = Field(min_length=16)
    """The secret by which file-sync knows that a hint comes of Open WebUI."""

    orchestrator: Literal["n8n", "direct"] = "n8n"
    """Who answers: n8n's chat workflow, or the gateway, which streams."""

    seconds: float = Field(300.0, gt=0)
    """How long to try until Open WebUI is up and as wanted."""

    @model_validator(mode="after")
    def _has_orchestrator(self) -> Self:
        if self.orchestrator == "n8n" and not self.n8n_url:
            raise ValueError("n8n_url is needed when the orchestrator is n8n")
        return self
