"""``python -m databases_install``: create databases and roles; a second run only sets the passwords again."""

import structlog
from servicekit.logs import configure_logs
from servicekit.settings import read_settings

from .install import DatabasesNotInstalled, install
from .settings import DatabasesInstallSettings

__all__ = ["main"]


def main() -> None:
    """Read the settings and install the databases; log the reason of a failure."""
    settings = read_settings(DatabasesInstallSettings)
    configure_logs("databases-install", settings.log_level)
    log = structlog.get_logger("databases_install")
    try:
        install(settings)
    except DatabasesNotInstalled as exc:
        log.error("The databases are not installed", reason=str(exc))  # noqa: TRY400 (a sentence, not a trace)
        raise SystemExit(1) from exc
    log.info("The databases are installed")


if __name__ == "__main__":
    main()
