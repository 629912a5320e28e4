"""Open WebUI's bucket: a file's content is copied to a temporary file of ours, measured on the way."""

import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError
from servicekit.aws import classify, client_config, error_code, is_dead_session
from servicekit.errors import RemoteRefused
from servicekit.remote import Remote

from ..models import File
from ..problems import FileAway, FileRefused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Content", "Contents"]

READ_SECONDS = 10.0
"""Longest silence of S3 while it sends."""

CALL_SECONDS = 120.0
"""Longest that one file may take: 50 MiB over a slow link."""

PIECE = 1024 * 1024


@dataclass(frozen=True)
class Content:
    """A file's content, on disk for as long as somebody needs it."""

    data: IO[bytes]
    size: int
    sha256: bytes


class Contents:
    """Reads files of Open WebUI.

    Parameters
    ----------
    open_session
        Opens a session of our own, whose only right here is to read this bucket.
    bucket
        Bucket of Open WebUI's files.
    at_once
        Files that are copied at once.
    max_bytes
        Largest file; of a larger one not more is read.
    """

    def __init__(
        self, open_session: Callable[[], boto3.Session], *, bucket: str, at_once: int, max_bytes: int
    ) -> None:
        self._open_session = open_session
        self._client: S3Client | None = None
        self._bucket = bucket
        self._at_once = at_once
        self._max_bytes = max_bytes
        self._remote = Remote("open-webui-files", classify, timeout=CALL_SECONDS, concurrency=at_once)

    @asynccontextmanager
    async def copied(self, file: File) -> AsyncIterator[Content]:
        """Lend a file's content; nothing of it is left at the end of the block.

        Raises
        ------
        FileRefused
            It is empty or too large.
        FileAway
            There is no content.
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or denied the call.
        """
        key = file.path.removeprefix(f"s3://{self._bucket}/")
        with tempfile.TemporaryFile(prefix="file-sync-") as target:
            try:
                content = await self._remote.call_in_thread("get", self._copy, key, target)
            except RemoteRefused as exc:
                if not is_dead_session(exc.__cause__):
                    raise
                self._client = None
                content = await self._remote.call_in_thread("get", self._copy, key, target)
            yield content

    def close(self) -> None:
        """Let threads and connections go."""
        self._remote.close()
        if self._client:
            self._client.close()

    def _copy(self, key: str, target: IO[bytes]) -> Content:
        target.seek(0)
        target.truncate()
        try:
            response = self._s3().get_object(Bucket=self._bucket, Key=key)
        except ClientError as exc:
            # Who may not list a bucket is told 403 for what is not there; then we wait for it, too.
            if error_code(exc) == "NoSuchKey":
                raise FileAway from exc
            raise
        digest, size = hashlib.sha256(), 0
        with response["Body"] as body:
            if response["ContentLength"] > self._max_bytes:
                raise FileRefused(
                    f"The file has {response['ContentLength']} bytes; {self._max_bytes} are the most."
                )
            for piece in iter(lambda: body.read(PIECE), b""):
                digest.update(piece)
                size += len(piece)
                target.write(piece)
        if not size:
            raise FileRefused("The file is empty.")
        return Content(target, size, digest.digest())

    def _s3(self) -> "S3Client":
        if self._client is None:
            config = client_config(read_seconds=READ_SECONDS, connections=self._at_once)
            self._client = self._open_session().client("s3", config=config)
        return self._client
