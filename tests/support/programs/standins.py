"""Stand-ins as separate programs, each on a free port until the end of the test."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
from botocore.config import Config
from joserfc import jwt
from joserfc.jwk import OctKey
from qdrant_client import AsyncQdrantClient

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

__all__ = [
    "QDRANT_KEY",
    "Standin",
    "clear_calls",
    "inject_faults",
    "list_calls",
    "make_bedrock_client",
    "make_qdrant_client",
    "run_bedrock",
    "run_qdrant",
    "sign_qdrant_token",
]

QDRANT_KEY = "a key that may do everything"
START_SECONDS = 30
END_SECONDS = 10


@dataclass
class Standin:
    """A running stand-in.

    Parameters
    ----------
    url
        Base URL.
    process
        Process of the stand-in.
    log
        Log file.
    """

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def records(self) -> list[dict[str, Any]]:
        """Return the log records so far, without lines of libraries that are not JSON."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def kill(self) -> None:
        """Kill the stand-in with SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(END_SECONDS)


@contextmanager
def run_bedrock(**settings: str) -> Iterator[Standin]:
    """Run the Bedrock stand-in; ``settings`` are its environment variables."""
    with _run("tenantry_local.standins.bedrock", [], settings) as standin:
        yield standin


@contextmanager
def run_qdrant(folder: Path, api_key: str = QDRANT_KEY, *arguments: str, port: int = 0) -> Iterator[Standin]:
    """Run the Qdrant stand-in with a data folder and further arguments."""
    with _run(
        "tenantry_local.standins.qdrant",
        ["--path", str(folder), *arguments],
        {"QDRANT_API_KEY": api_key},
        port=port,
    ) as standin:
        yield standin


def make_bedrock_client(standin: Standin, **headers: str) -> "BedrockRuntimeClient":
    """Return a client without retries that sends ``headers`` with each call (``_`` for ``-``)."""
    client: BedrockRuntimeClient = boto3.client(
        "bedrock-runtime",
        endpoint_url=standin.url,
        region_name="us-east-1",
        aws_access_key_id="anyone",
        aws_secret_access_key="anything",
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
    )

    def add(request: Any, **_: Any) -> None:
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value

    client.meta.events.register("before-sign.bedrock-runtime", add)
    return client


@asynccontextmanager
async def inject_faults(url: str, *faults: Mapping[str, Any]) -> AsyncIterator[None]:
    """Inject faults into the Bedrock stand-in at ``url`` until the end of the block."""
    async with httpx.AsyncClient(base_url=url) as http:
        try:
            for fault in faults:
                (await http.put("/standin/faults", json=fault)).raise_for_status()
            yield
        finally:
            (await http.delete("/standin/faults")).raise_for_status()


async def clear_calls(url: str) -> None:
    """Clear the recorded calls of the Bedrock stand-in at ``url``, which keeps only the last ones."""
    async with httpx.AsyncClient(base_url=url) as http:
        (await http.delete("/standin/calls")).raise_for_status()


async def list_calls(url: str, operation: str = "") -> list[dict[str, Any]]:
    """Return the recorded calls of operations whose names begin with ``operation``, oldest first."""
    async with httpx.AsyncClient(base_url=url) as http:
        calls: list[dict[str, Any]] = (await http.get("/standin/calls")).raise_for_status().json()
    return [call for call in calls if call["operation"].startswith(operation)]


def make_qdrant_client(standin: Standin, credential: str = QDRANT_KEY) -> AsyncQdrantClient:
    """Return a client with a key or a token; the caller closes it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        # The check of the server's version runs in a thread, which fails if the test kills the server.
        return AsyncQdrantClient(
            url=standin.url, api_key=credential or None, timeout=30, check_compatibility=False
        )


def sign_qdrant_token(key: str = QDRANT_KEY, **claims: Any) -> str:
    """Return a token with ``claims``, signed with a key."""
    token: str = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(key))
    return token


@contextmanager
def _run(
    module: str, arguments: list[str], settings: Mapping[str, str], *, port: int = 0
) -> Iterator[Standin]:
    with tempfile.NamedTemporaryFile("w", suffix=".log") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--port", str(port), *arguments],
            env={**os.environ, **settings},
            stderr=errors,
        )
        try:
            yield _wait_until_ready(process, Path(errors.name))
        finally:
            process.terminate()
            process.wait(END_SECONDS)


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> Standin:
    """Wait until the program has logged its port and answers on it; return the running stand-in."""
    while process.poll() is None:
        standin = Standin("", process, log)
        for record in standin.records:
            if record["event"] == "Listening":
                standin.url = f"http://127.0.0.1:{record['port']}"
                httpx.get(f"{standin.url}/healthz", timeout=START_SECONDS).raise_for_status()
                return standin
        time.sleep(0.02)
    raise AssertionError(f"it ended right after its start: {log.read_text()}")
