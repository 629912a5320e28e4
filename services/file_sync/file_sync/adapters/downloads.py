"""Downloads from Open WebUI's bucket to temporary files, with the size and hash of each."""

import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError
from servicekit.aws import build_client_config, classify, get_error_code, is_dead_session
from servicekit.errors import BackendRefused
from servicekit.remote import Remote

from ..models import File
from ..problems import ContentNotAvailable, FileRefused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Content", "FileDownloader"]

READ_TIMEOUT_SECONDS = 10.0
"""Longest pause between two reads from S3."""

DOWNLOAD_TIMEOUT_SECONDS = 120.0
"""Longest time for one file: 50 MiB over a slow link."""

READ_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Content:
    """Content of a file, in a temporary file that is removed when the download's context ends."""

    data: IO[bytes]
    size: int
    sha256: bytes


class FileDownloader:
    """Downloads files of Open WebUI.

    Parameters
    ----------
    open_session
        Opens a boto3 session; the session needs only the right to read this bucket.
    bucket
        Bucket of Open WebUI's files.
    concurrency
        Number of concurrent downloads.
    max_bytes
        Largest size of a file; a larger file is refused before its content is read.
    """

    def __init__(
        self, open_session: Callable[[], boto3.Session], *, bucket: str, concurrency: int, max_bytes: int
    ) -> None:
        self._open_session = open_session
        self._client: S3Client | None = None
        self._bucket = bucket
        self._concurrency = concurrency
        self._max_bytes = max_bytes
        self._remote = Remote(
            "open-webui-files", classify, timeout=DOWNLOAD_TIMEOUT_SECONDS, concurrency=concurrency
        )

    @asynccontextmanager
    async def download(self, file: File) -> AsyncIterator[Content]:
        """Download a file to a temporary file, which is removed at the end of the block.

        Raises
        ------
        FileRefused
            The file is empty or too large.
        ContentNotAvailable
            The bucket has no content for the file.
        BackendUnavailable, BackendRefused
            S3 did not answer, or denied the call.
        """
        key = file.path.removeprefix(f"s3://{self._bucket}/")
        with tempfile.TemporaryFile(prefix="file-sync-") as target:
            try:
                content = await self._remote.call_in_thread("get", self._copy, key, target)
            except BackendRefused as exc:
                if not is_dead_session(exc.__cause__):
                    raise
                self._client = None
                content = await self._remote.call_in_thread("get", self._copy, key, target)
            yield content

    def close(self) -> None:
        """Stop the threads and close the connections."""
        self._remote.close()
        if self._client:
            self._client.close()

    def _copy(self, key: str, target: IO[bytes]) -> Content:
        target.seek(0)
        target.truncate()
        try:
            response = self._open_client().get_object(Bucket=self._bucket, Key=key)
        except ClientError as exc:
            # Without the right to list the bucket, S3 answers 403 for a missing object; the next sync retries
            # that, too.
            if get_error_code(exc) == "NoSuchKey":
                raise ContentNotAvailable from exc
            raise
        digest, size = hashlib.sha256(), 0
        with response["Body"] as body:
            if response["ContentLength"] > self._max_bytes:
                raise FileRefused(
                    f"The file has {response['ContentLength']} bytes; the limit is {self._max_bytes}."
                )
            for chunk in iter(lambda: body.read(READ_BYTES), b""):
                digest.update(chunk)
                size += len(chunk)
                target.write(chunk)
        if not size:
            raise FileRefused("The file is empty.")
        return Content(target, size, digest.digest())

    def _open_client(self) -> "S3Client":
        if self._client is None:
            config = build_client_config(read_seconds=READ_TIMEOUT_SECONDS, connections=self._concurrency)
            self._client = self._open_session().client("s3", config=config)
        return self._client
