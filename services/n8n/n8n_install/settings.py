"""Settings of the import job, from the environment: ``N8N_INSTALL_`` and the field's name in capitals."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict
from servicekit.settings import ProgramSettings

__all__ = ["Settings"]


class Settings(ProgramSettings):
    """Settings of one installation."""

    model_config = SettingsConfigDict(env_prefix="N8N_INSTALL_")

    url: str = Field(pattern=r"^https?://.+")
    """n8n's main process, which serves its REST interface."""

    webhook_url: str = Field("", pattern=r"^(https?://.+)?$")
    """What serves the webhooks, when that is another process: they are waited for there."""

    email: str = Field(min_length=3)
    """Who logs in: n8n's owner, or an administrator."""

    password: SecretStr
    """That account's password."""

    gateway_url: str = Field(pattern=r"^https?://[^/]+(/.*)?$")
    """The gateway as n8n's workers reach it. It becomes part of the workflows."""

    wait_seconds: float = Field(300.0, gt=0)
    """How long n8n may take to come up, and then its webhooks to answer."""
