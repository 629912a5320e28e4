"""Tests of downloads from Open WebUI's bucket, with a fake S3 client."""

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from file_sync.adapters.downloads import FileDownloader
from file_sync.problems import ContentNotAvailable, FileRefused
from servicekit.errors import BackendRefused

from tests.support.file_sync.files import BUCKET, make_file

KEY = "f1_plan.pdf"


class FakeSession:
    """A boto3 session and its S3 client; ``errors`` are raised by the next calls."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {KEY: b"Tide at noon."}
        self.errors: list[str] = []
        self.opened = 0
        self.requested: list[tuple[str, str]] = []
        self.read_bytes = 0

    def __call__(self) -> Any:
        self.opened += 1
        return self

    def client(self, _service: str, **_: Any) -> Any:
        return self

    def close(self) -> None:
        pass

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 (boto3's names)
        self.requested.append((Bucket, Key))
        code = self.errors.pop(0) if self.errors else "" if Key in self.objects else "NoSuchKey"
        if code:
            response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(response, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key]), "ContentLength": len(self.objects[Key])}


@pytest.fixture
def session() -> FakeSession:
    return FakeSession()


@pytest.fixture
def downloader(session: FakeSession) -> Iterator[FileDownloader]:
    downloader = FileDownloader(session, bucket=BUCKET, concurrency=2, max_bytes=20)
    yield downloader
    downloader.close()


async def test_a_download_has_content_size_and_hash(downloader: FileDownloader, session: FakeSession) -> None:
    async with downloader.download(make_file("f1")) as content:
        content.data.seek(0)
        assert content.data.read() == b"Tide at noon."
        assert content.size == 13
        assert content.sha256 == hashlib.sha256(b"Tide at noon.").digest()
    assert content.data.closed
    assert session.requested == [(BUCKET, KEY)]


async def test_a_large_content_is_hashed_as_a_whole(session: FakeSession) -> None:
    session.objects[KEY] = large = bytes(range(256)) * 10_000
    downloader = FileDownloader(session, bucket=BUCKET, concurrency=2, max_bytes=len(large))
    async with downloader.download(make_file("f1")) as content:
        assert content.size == len(large)
        assert content.sha256 == hashlib.sha256(large).digest()
    downloader.close()


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "The file is empty."), (b"x" * 21, "The file has 21 bytes; the limit is 20.")],
    ids=["empty", "too large"],
)
async def test_an_empty_or_too_large_file_is_refused(
    downloader: FileDownloader, session: FakeSession, data: bytes, reason: str
) -> None:
    session.objects[KEY] = data
    with pytest.raises(FileRefused, match=reason):
        async with downloader.download(make_file("f1")):
            pass


async def test_a_file_of_the_largest_size_is_downloaded(
    downloader: FileDownloader, session: FakeSession
) -> None:
    session.objects[KEY] = b"x" * 20
    async with downloader.download(make_file("f1")) as content:
        assert content.size == 20


async def test_missing_content_is_retried_later(downloader: FileDownloader, session: FakeSession) -> None:
    session.objects.clear()
    with pytest.raises(ContentNotAvailable):
        async with downloader.download(make_file("f1")):
            pass


async def test_a_denied_call_is_an_error(downloader: FileDownloader, session: FakeSession) -> None:
    session.errors = ["AccessDenied"]
    with pytest.raises(BackendRefused):
        async with downloader.download(make_file("f1")):
            pass
    assert session.opened == 1


async def test_an_expired_session_is_opened_again_once(
    downloader: FileDownloader, session: FakeSession
) -> None:
    session.errors = ["ExpiredToken"]
    async with downloader.download(make_file("f1")) as content:
        assert content.size == 13
    assert session.opened == 2
    session.errors = ["ExpiredToken", "ExpiredToken"]
    with pytest.raises(BackendRefused):
        async with downloader.download(make_file("f1")):
            pass
