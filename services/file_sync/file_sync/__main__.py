"""``python -m file_sync``: sync and serve until SIGTERM."""

from servicekit.logs import configure_logs
from servicekit.settings import read_settings
from servicekit.web.app import serve

from .app import make_app
from .settings import FileSyncSettings

GRACE_SECONDS = 10
"""Time after SIGTERM in which running requests can end. An interrupted sync is resumed by the next
process."""


def main() -> None:
    """Read the settings, then sync and serve until SIGTERM."""
    settings = read_settings(FileSyncSettings)
    configure_logs("file-sync", settings.log_level)
    serve(make_app(settings), settings, grace_seconds=GRACE_SECONDS)


if __name__ == "__main__":
    main()
