"""People who upload files into their persona's knowledge base as the browser does, and do not give up."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from .open_webui import Person

__all__ = ["Desk", "Paper", "papers", "upload"]

CANCEL_INTERVAL_SECONDS = 0.5
"""A person who is told that it did not work tries again after a moment."""

AT_ONCE = 2
"""Files that one person uploads side by side."""


@dataclass(frozen=True)
class Paper:
    """A file as a person has it."""

    name: str
    content: bytes


@dataclass
class Desk:
    """A person with files to upload.

    Parameters
    ----------
    knowledge
        Id of the knowledge base that they go into.
    done
        The files that Open WebUI has acknowledged, by the id that it gave them.
    repeated
        How often the person had to try again.
    """

    tenant_id: str
    person: Person
    token: str
    knowledge: str
    papers: Sequence[Paper]
    done: dict[str, Paper] = field(default_factory=dict)
    repeated: int = 0

    async def send_all(self) -> None:
        """Upload everything; what was not acknowledged is uploaded again."""
        waiting = list(reversed(self.papers))

        async def send_some() -> None:
            while waiting:
                paper = waiting.pop()
                while not (file_id := await self._send(paper)):
                    self.repeated += 1
                    await asyncio.sleep(CANCEL_INTERVAL_SECONDS)
                self.done[file_id] = paper

        await asyncio.gather(*(send_some() for _ in range(AT_ONCE)))

    async def _send(self, paper: Paper) -> str | None:
        """Return the file's id; ``None`` when it was not acknowledged."""
        try:
            response = await upload(self.person, self.knowledge, paper)
        except httpx.TransportError:
            return None
        return str(response.json()["id"]) if response.is_success else None


async def upload(person: Person, knowledge: str, paper: Paper) -> httpx.Response:
    """Upload a file into a knowledge base, in the one request that the browser makes."""
    return await person.http.post(
        "/api/v1/files/",
        files={"file": (paper.name, paper.content)},
        data={"metadata": json.dumps({"knowledge_id": knowledge})},
    )


def papers(owner: str, count: int) -> list[Paper]:
    """Return distinct files; every fifth has some pages, so that more than one chunk is made of it."""
    return [Paper(f"{owner}-{number}.txt", _text(owner, number).encode()) for number in range(count)]


def _text(owner: str, number: int) -> str:
    lines = 1 if number % 5 else 40
    return "\n\n".join(
        f"Line {line} of paper {number} of {owner}: the {number * 1000 + line}th tide came at dawn and left "
        "the harbour before noon."
        for line in range(lines)
    )
