"""``python -m webui_install``: install Tenantry's functions and model records in Open WebUI."""

import asyncio

import structlog
from servicekit.errors import BackendRefused
from servicekit.logs import configure_logs
from servicekit.settings import read_settings

from .install import FunctionsNotInstalled, install
from .settings import WebUIInstallSettings


def main() -> None:
    """Read the settings, then install functions and model records; log the reason of a failure."""
    settings = read_settings(WebUIInstallSettings)
    configure_logs("webui-install", settings.log_level)
    try:
        asyncio.run(install(settings))
    except (FunctionsNotInstalled, BackendRefused) as exc:
        structlog.get_logger("webui_install").error("Not installed", reason=str(exc))
        raise SystemExit(1) from exc


if __name__ == "__main__":
    main()
