"""Settings of the import job, from the environment: ``N8N_INSTALL_`` and the field's name in capitals."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict
from servicekit.settings import ProgramSettings

__all__ = ["N8nInstallSettings"]


class N8nInstallSettings(ProgramSettings):
    """Settings of the job that imports the workflows into n8n."""

    model_config = SettingsConfigDict(env_prefix="N8N_INSTALL_")

    url: str = Field(pattern=r"^https?://.+")
    """Base URL of n8n's main process, which serves the REST API."""

    webhook_url: str = Field("", pattern=r"^(https?://.+)?$")
    """Base URL of n8n's webhook processes, if they are separate. The job waits for the webhooks at this
    URL."""

    email: str = Field(min_length=3)
    """E-mail address of the account that logs in: n8n's owner or an administrator."""

    password: SecretStr
    """Password of this account."""

    gateway_url: str = Field(pattern=r"^https?://[^/]+(/.*)?$")
    """Base URL of the gateway for n8n's workers. The job writes it into the workflows."""

    ready_timeout_seconds: float = Field(300.0, gt=0)
    """Longest wait until n8n is ready, and then until its webhooks answer."""
