"""``python -m webui_install``: install what Tenantry adds to Open WebUI, and end."""

import asyncio
import sys

import structlog
from pydantic import ValidationError
from tenancy.errors import RemoteRefused
from tenancy.logs import configure_logs

from .install import NotInstalled, install
from .settings import Settings


def main() -> None:
    """Read the settings and install; a wrong setting is named in a sentence."""
    try:
        settings = Settings()
    except ValidationError as exc:
        for error in exc.errors(include_input=False):
            name = f"WEBUI_INSTALL_{'_'.join(map(str, error['loc'])).upper()}"
            sys.stderr.write(f"{name}: {error['msg']}\n")
        raise SystemExit(2) from exc
    configure_logs("webui-install", settings.log_level)
    try:
        asyncio.run(install(settings))
    except (NotInstalled, RemoteRefused) as exc:
        structlog.get_logger("webui_install").error("Not installed", reason=str(exc))
        raise SystemExit(1) from exc


if __name__ == "__main__":
    main()
