"""``python -m file_sync.jobs.grants``: let file-sync's role read columns of Open WebUI's database.

During an installation or upgrade Open WebUI may still be creating its tables. The job retries until the
tables exist.
"""

import random
import time
from importlib.resources import files

import psycopg
import structlog
from psycopg import errors
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict
from servicekit.database_settings import DatabaseSettings
from servicekit.logs import configure_logs
from servicekit.settings import read_settings

__all__ = ["GrantsSettings", "grant"]

RETRY_DELAY_SECONDS = (1.5, 2.5)
"""Shortest and longest pause between two attempts."""

CONNECT_TIMEOUT_SECONDS = 10
"""Longest time for a connection."""

TRANSIENT_ERRORS = (psycopg.OperationalError, errors.UndefinedTable, errors.UndefinedColumn)
"""Errors while Postgres starts or Open WebUI creates its tables; all others are permanent."""


class GrantsSettings(DatabaseSettings):
    """Settings of the grants job."""

    model_config = SettingsConfigDict(env_prefix="FILE_SYNC_GRANTS_")

    database_url: SecretStr
    """Open WebUI's Postgres (`postgresql://`), as the role that owns its tables."""

    timeout_seconds: float = Field(600.0, gt=0)
    """Time for which the job retries until Open WebUI has created its tables."""


def grant(settings: GrantsSettings) -> None:
    """Run ``grants.sql`` in one transaction; retry until Open WebUI's tables exist.

    Raises
    ------
    psycopg.Error
        Postgres refused, or the tables did not exist in time.
    """
    log = structlog.get_logger("file_sync.jobs.grants")
    statements = (files("file_sync") / "grants.sql").read_text()
    deadline = time.monotonic() + settings.timeout_seconds
    while True:
        try:
            url = settings.database_url.get_secret_value()
            tls = settings.build_tls_parameters()
            with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_SECONDS, **tls) as connection:
                connection.execute(statements.encode())
        except TRANSIENT_ERRORS as exc:
            if time.monotonic() > deadline:
                raise
            log.info("Open WebUI's tables do not exist yet", reason=str(exc).strip())
            time.sleep(random.uniform(*RETRY_DELAY_SECONDS))  # noqa: S311 (jitter, not a secret)
        else:
            log.info("Granted file-sync the right to read Open WebUI's database")
            return


def main() -> None:
    """Read the settings and grant the rights; report a wrong setting in one line."""
    settings = read_settings(GrantsSettings)
    configure_logs("file-sync-grants", settings.log_level)
    try:
        grant(settings)
    except psycopg.Error as exc:
        structlog.get_logger("file_sync.jobs.grants").error(
            "Cannot grant the rights", reason=str(exc).strip()
        )
        raise SystemExit(1) from exc


if __name__ == "__main__":
    main()
