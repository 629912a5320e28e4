"""Qdrant: the server at ``QDRANT_URL`` or, without it, a stand-in for its REST API."""

import os
from importlib.metadata import version

import httpx
from typing_extensions import override

from ..context import Context
from ..part import Command, PlatformPart, find_program, is_http_ok

__all__ = ["Qdrant"]


class Qdrant(PlatformPart):
    """Vector database: a stand-in, or an external server."""

    name = "qdrant"
    ports = ("qdrant",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.managed = not os.environ.get("QDRANT_URL")
        self.real = not self.managed
        self.summary = "Qdrant's API" if self.managed else "your Qdrant server"

    @property
    @override
    def version(self) -> str:
        return version("qdrant-client") if self.managed else _fetch_server_version(self.url)

    @property
    @override
    def url(self) -> str:
        return os.environ.get("QDRANT_URL") or self.context.build_url(self.name)

    @property
    def api_key(self) -> str:
        """Return the API key with all rights."""
        return self.context.secrets["qdrant"] if self.managed else os.environ.get("QDRANT_API_KEY", "")

    @override
    def prepare(self) -> None:
        self.context.create_folder("data", "qdrant")

    @override
    def build_command(self) -> Command:
        argv = [
            find_program("python"),
            "-m",
            "tenantry_local.standins.qdrant",
            "--port",
            str(self.context.ports["qdrant"]),
        ]
        return Command(
            [*argv, "--path", str(self.context.state / "data" / "qdrant")],
            {"QDRANT_API_KEY": self.api_key},
        )

    @override
    def is_healthy(self) -> bool:
        return is_http_ok(f"{self.url}/healthz")


def _fetch_server_version(url: str) -> str:
    try:
        return str(httpx.get(url, timeout=2).json()["version"])
    except (httpx.HTTPError, ValueError, KeyError):
        return "unknown"
