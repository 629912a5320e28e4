"""Qdrant: ``QDRANT_URL`` names a real server; without it a stand-in serves its REST API."""

import os
from importlib.metadata import version

from typing_extensions import override

from ..part import Command, Part, answers, program

__all__ = ["Qdrant"]


class Qdrant(Part):
    """Where vectors lie."""

    name = "qdrant"
    ports = ("qdrant",)

    @property
    def real(self) -> bool:  # type: ignore[override]
        """Whether a real server is used."""
        return bool(os.environ.get("QDRANT_URL"))

    @property
    def what(self) -> str:  # type: ignore[override]
        """What it is."""
        return "Qdrant server" if self.real else "Qdrant's REST API over qdrant-client's local engine"

    @property
    @override
    def version(self) -> str:
        return "yours" if self.real else f"qdrant-client {version('qdrant-client')}"

    @property
    @override
    def url(self) -> str:
        return os.environ.get("QDRANT_URL") or self.context.url(self.name)

    @property
    def api_key(self) -> str:
        """The key that may do everything; it is a secret."""
        return os.environ.get("QDRANT_API_KEY", "") if self.real else self.context.secrets["qdrant"]

    @override
    def prepare(self) -> None:
        self.context.folder("data", "qdrant")

    @override
    def command(self) -> Command | None:
        if self.real:
            return None
        argv = [program("python"), "-m", "tenantry_local.qdrant", "--port", str(self.context.ports["qdrant"])]
        return Command(
            [*argv, "--path", str(self.context.state / "data" / "qdrant")],
            {"QDRANT_API_KEY": self.api_key},
        )

    @override
    def healthy(self) -> bool:
        return answers(f"{self.url}/healthz")
