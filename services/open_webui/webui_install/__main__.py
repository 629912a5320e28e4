"""``python -m webui_install``: install what Tenantry adds to Open WebUI, and end."""

import asyncio

import structlog
from servicekit.errors import RemoteRefused
from servicekit.logs import configure_logs
from servicekit.settings import read_settings

from .install import NotInstalled, install
from .settings import Settings


def main() -> None:
    """Read the settings and install; a wrong setting is named in a sentence."""
    settings = read_settings(Settings)
    configure_logs("webui-install", settings.log_level)
    try:
        asyncio.run(install(settings))
    except (NotInstalled, RemoteRefused) as exc:
        structlog.get_logger("webui_install").error("Not installed", reason=str(exc))
        raise SystemExit(1) from exc


if __name__ == "__main__":
    main()
