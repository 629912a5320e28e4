"""Bedrock: a stand-in with Bedrock's API. ``BEDROCK_FORWARD_URL`` names a model server for the answers."""

import os
from importlib.metadata import version

from typing_extensions import override

from ..part import Command, PlatformPart, find_program, is_http_ok

__all__ = ["Bedrock"]


class Bedrock(PlatformPart):
    """Stand-in for Amazon Bedrock: embeddings and answers."""

    name = "bedrock"
    summary = "Bedrock's API"
    real = False
    ports = ("bedrock",)

    @property
    @override
    def version(self) -> str:
        return version("tenantry-local")

    @override
    def build_command(self) -> Command:
        forward = {name: os.environ[name] for name in ("BEDROCK_FORWARD_URL",) if name in os.environ}
        argv = [
            find_program("python"),
            "-m",
            "tenantry_local.standins.bedrock",
            "--port",
            str(self.context.ports["bedrock"]),
        ]
        return Command(argv, forward)

    @override
    def is_healthy(self) -> bool:
        return is_http_ok(f"{self.url}/healthz")
