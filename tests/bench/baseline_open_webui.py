"""Runner of a second Open WebUI next to the platform's, with a separate database and default settings."""

import asyncio
import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tenantry_local.part import is_http_ok
from tenantry_local.parts.postgres import Postgres
from tenantry_local.platform import Platform
from tenantry_local.programs import open_webui

from tests.support.open_webui.clients import WebUI, connect_as_administrator
from tests.support.programs.ports import find_free_port
from tests.support.timing.waiting import wait_until

__all__ = ["run_open_webui"]

ADMIN = ("admin@tenantry.example", "An-administrator-of-the-bench-1")
START_SECONDS = 240
"""Timeout of the first start, which creates all tables."""


@asynccontextmanager
async def run_open_webui(platform: Platform, settings: Mapping[str, str]) -> AsyncIterator[WebUI]:
    """Run Open WebUI on a free port with additional settings until the block ends."""
    program = await asyncio.to_thread(open_webui.install, lambda _: None)
    database = f"baseline_{uuid.uuid4().hex[:8]}"
    await asyncio.to_thread(Postgres(platform.context).run, f"create database {database}")
    port = find_free_port()
    with tempfile.TemporaryDirectory(prefix="tenantry-baseline-") as folder:
        env = _make_environment(platform, Path(folder), database) | dict(settings)
        with (Path(folder) / "log").open("wb") as log:
            argv = (str(program), "serve", "--host", "127.0.0.1", "--port", str(port))
            process = await asyncio.create_subprocess_exec(
                *argv, cwd=folder, env=env, stdout=log, stderr=asyncio.subprocess.STDOUT
            )
        try:
            url = f"http://127.0.0.1:{port}"
            await wait_until(
                lambda: asyncio.to_thread(is_http_ok, f"{url}/health"), seconds=START_SECONDS, every=0.5
            )
            async with connect_as_administrator(url, *ADMIN) as webui:
                yield webui
        finally:
            process.terminate()
            await process.wait()


def _make_environment(platform: Platform, folder: Path, database: str) -> dict[str, str]:
    email, password = ADMIN
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ} | {
        "DATA_DIR": str(folder / "data"),
        "STATIC_DIR": str(folder / "static"),  # otherwise it writes into the shared installation
        "DATABASE_URL": Postgres(platform.context).build_dsn(database, "postgres", "postgres"),
        "VECTOR_DB": "pgvector",
        "WEBUI_SECRET_KEY": uuid.uuid4().hex,
        "WEBUI_ADMIN_EMAIL": email,
        "WEBUI_ADMIN_PASSWORD": password,
        "WEBUI_ADMIN_NAME": "Administrator",
        "OFFLINE_MODE": "true",
        "ENABLE_VERSION_UPDATE_CHECK": "false",
        "ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS": "false",
        "ENABLE_PERSISTENT_CONFIG": "false",
        "DEFAULT_USER_ROLE": "user",
    }
