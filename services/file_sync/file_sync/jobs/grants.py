"""``python -m file_sync.jobs.grants``: let file-sync read what it needs of Open WebUI's database, and end.

Open WebUI's tables are made at the same time as this runs, at an install and at an upgrade. So it tries until
they are there.
"""

import random
import time
from importlib.resources import files

import psycopg
import structlog
from psycopg import errors
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict
from servicekit.logs import configure_logs
from servicekit.settings import ProgramSettings, read_settings

__all__ = ["Settings", "grant"]

PAUSE_SECONDS = (1.5, 2.5)
"""Shortest and longest pause between two tries."""

CONNECT_SECONDS = 10
"""Longest wait for a connection."""

NOT_YET = (psycopg.OperationalError, errors.UndefinedTable, errors.UndefinedColumn)
"""Postgres, or Open WebUI's tables, may still come. Whatever else is wrong stays wrong."""


class Settings(ProgramSettings):
    """Settings of one installation."""

    model_config = SettingsConfigDict(env_prefix="FILE_SYNC_GRANTS_")

    database_url: SecretStr
    """Open WebUI's Postgres (`postgresql://`), as the role that owns its tables."""

    seconds: float = Field(600.0, gt=0)
    """How long to try until Open WebUI has made its tables."""


def grant(settings: Settings) -> None:
    """Grant it, all of it or nothing.

    Raises
    ------
    psycopg.Error
        Postgres refused it, or there were no tables in time.
    """
    log = structlog.get_logger("file_sync.jobs.grants")
    statements = (files("file_sync") / "grants.sql").read_text()
    until = time.monotonic() + settings.seconds
    while True:
        try:
            url = settings.database_url.get_secret_value()
            with psycopg.connect(url, connect_timeout=CONNECT_SECONDS) as connection:
                connection.execute(statements.encode())
        except NOT_YET as exc:
            if time.monotonic() > until:
                raise
            log.info("Open WebUI's tables are not there yet", reason=str(exc).strip())
            time.sleep(random.uniform(*PAUSE_SECONDS))  # noqa: S311 (jitter, not a secret)
        else:
            log.info("file-sync may read Open WebUI's database")
            return


def main() -> None:
    """Read the settings and grant; a wrong setting is named in a sentence."""
    settings = read_settings(Settings)
    configure_logs("file-sync-grants", settings.log_level)
    try:
        grant(settings)
    except psycopg.Error as exc:
        structlog.get_logger("file_sync.jobs.grants").error("Not granted", reason=str(exc).strip())
        raise SystemExit(1) from exc


if __name__ == "__main__":
    main()
