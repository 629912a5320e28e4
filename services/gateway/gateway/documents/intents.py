"""What the journal says of a document, as values."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from servicekit.errors import TenantryError

from ..objects import Stamp

__all__ = ["Failure", "Note", "Standing", "Task"]


class Task(StrEnum):
    """What is being done to a document."""

    INGEST = "ingest"
    DELETE = "delete"
    RESTORE = "restore"


@dataclass(frozen=True)
class Note:
    """What whoever finishes a write has to know; what to index stands in S3 alone.

    Parameters
    ----------
    doomed
        Which content is to be deleted, and no other.
    attempts
        Repairs that have begun.
    removed_by
        E-mail address of the person, or the name of the service, that deletes it.
    restored
        Ids of the document and the removal that are restored.
    """

    task: Task
    doomed: Stamp | None = None
    attempts: int = 0
    removed_by: str = ""
    restored: tuple[str, str] | None = None

    def to_json(self) -> str:
        """Return it as text."""
        doomed = self.doomed and [self.doomed.stored_at.isoformat(), self.doomed.etag]
        return json.dumps(
            {
                "task": self.task,
                "doomed": doomed,
                "attempts": self.attempts,
                "removed_by": self.removed_by,
                "restored": self.restored,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote."""
        read = json.loads(text)
        doomed = read["doomed"] and Stamp(datetime.fromisoformat(read["doomed"][0]), read["doomed"][1])
        # A gateway of the version before writes no more than the first three.
        restored = read.get("restored") and tuple(read["restored"])
        return cls(Task(read["task"]), doomed, read["attempts"], read.get("removed_by", ""), restored)


@dataclass(frozen=True)
class Failure:
    """Why a content (``etag``) is not indexed and never will be: the members of a problem document."""

    etag: str
    type: str
    title: str
    detail: str

    @classmethod
    def of(cls, problem: TenantryError, etag: str) -> Self:
        """Return the failure that a problem is."""
        members = problem.to_problem()
        return cls(etag, members["type"], members["title"], members["detail"])


@dataclass(frozen=True)
class Standing:
    """What the journal says of a document; ``failure`` may be about an earlier content of it."""

    indexing: bool = False
    failure: Failure | None = None
