"""Uploads into a persona's knowledge base, by people who repeat a failed upload."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from tests.support.open_webui.clients import Person

__all__ = ["SampleFile", "Uploader", "make_sample_files", "upload"]

RETRY_SECONDS = 0.5
"""Pause before a failed upload is repeated."""

CONCURRENCY = 2
"""Files that one person uploads concurrently."""


@dataclass(frozen=True)
class SampleFile:
    """A file to upload."""

    name: str
    content: bytes


@dataclass
class Uploader:
    """A person with files to upload.

    Parameters
    ----------
    knowledge
        Id of the knowledge base to upload into.
    done
        Files that Open WebUI has acknowledged, by the id that it gave them.
    repeated
        Number of repeated uploads.
    """

    tenant_id: str
    person: Person
    token: str
    knowledge: str
    files: Sequence[SampleFile]
    done: dict[str, SampleFile] = field(default_factory=dict)
    repeated: int = 0

    async def upload_all(self) -> None:
        """Upload all files; repeat each upload until it is acknowledged."""
        waiting = list(reversed(self.files))

        async def upload_waiting() -> None:
            while waiting:
                file = waiting.pop()
                while not (file_id := await self._upload(file)):
                    self.repeated += 1
                    await asyncio.sleep(RETRY_SECONDS)
                self.done[file_id] = file

        await asyncio.gather(*(upload_waiting() for _ in range(CONCURRENCY)))

    async def _upload(self, file: SampleFile) -> str | None:
        """Return the file's id; ``None`` if the upload was not acknowledged."""
        try:
            response = await upload(self.person, self.knowledge, file)
        except httpx.TransportError:
            return None
        return str(response.json()["id"]) if response.is_success else None


async def upload(person: Person, knowledge: str, file: SampleFile) -> httpx.Response:
    """Upload a file into a knowledge base, in one request as the browser does."""
    return await person.http.post(
        "/api/v1/files/",
        files={"file": (file.name, file.content)},
        data={"metadata": json.dumps({"knowledge_id": knowledge})},
    )


def make_sample_files(owner: str, count: int) -> list[SampleFile]:
    """Return distinct files; every fifth file has several pages, and so several chunks."""
    return [
        SampleFile(f"{owner}-{number}.txt", _make_text(owner, number).encode()) for number in range(count)
    ]


def _make_text(owner: str, number: int) -> str:
    lines = 1 if number % 5 else 40
    return "\n\n".join(
        f"Line {line} of paper {number} of {owner}: the {number * 1000 + line}th tide came at dawn and left "
        "the harbour before noon."
        for line in range(lines)
    )
