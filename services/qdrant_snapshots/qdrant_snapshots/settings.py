"""Settings of the jobs, from the environment: ``QDRANT_SNAPSHOTS_`` and the field's name in capitals."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict
from servicekit.settings import ProgramSettings
from servicekit.tls import AuthorityFile

__all__ = ["SnapshotSettings"]


class SnapshotSettings(ProgramSettings):
    """Settings of the jobs that save Qdrant's collections to S3 and restore them."""

    model_config = SettingsConfigDict(env_prefix="QDRANT_SNAPSHOTS_")

    qdrant_url: str = Field(pattern=r"^https?://[^/]+$")
    """URL of Qdrant's REST API. The other peers use the same scheme and port."""

    qdrant_api_key: SecretStr = SecretStr("")
    """Qdrant's API key with all rights."""

    qdrant_ca_file: AuthorityFile | None = None
    """CA that issued Qdrant's certificate; without it, the public ones are trusted."""

    bucket: str = Field(min_length=3)
    """Bucket of the documents, which also holds the snapshots."""

    prefix: str = Field("snapshots/", pattern=r"^snapshots/([\w.-]+/)*$")
    """Prefix of the snapshots in the bucket. Each release of the chart has a separate one."""

    keep: int = Field(4, ge=1)
    """Number of complete backups that are kept."""

    backup: str = Field("", pattern=r"^(\d{8}T\d{6}Z)?$")
    """Restore: the backup, named by the time of its start. Empty selects the latest one."""

    replace: bool = False
    """Restore: replace collections that contain points."""
