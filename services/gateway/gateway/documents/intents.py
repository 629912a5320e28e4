"""Write-ahead intents, and the progress of a document's ingest that follows from them."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from servicekit.errors import TenantryError

from ..objects import ObjectVersion

__all__ = ["IngestFailure", "IngestProgress", "Intent", "IntentKind"]


class IntentKind(StrEnum):
    """Kind of a write."""

    INGEST = "ingest"
    DELETE = "delete"
    RESTORE = "restore"


@dataclass(frozen=True)
class Intent:
    """A write that has begun, with the values that a repair needs to complete it. S3 has the content.

    Parameters
    ----------
    to_delete
        Version of the object to delete. No other version may be deleted.
    attempts
        Number of repairs that have begun.
    removed_by
        E-mail address of the person, or name of the service, that deletes the document.
    restored
        Ids of the document and of the removal that are restored.
    """

    kind: IntentKind
    to_delete: ObjectVersion | None = None
    attempts: int = 0
    removed_by: str = ""
    restored: tuple[str, str] | None = None

    def to_json(self) -> str:
        """Return the intent as JSON."""
        to_delete = self.to_delete and [self.to_delete.stored_at.isoformat(), self.to_delete.etag]
        return json.dumps(
            {
                "kind": self.kind,
                "to_delete": to_delete,
                "attempts": self.attempts,
                "removed_by": self.removed_by,
                "restored": self.restored,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse the output of :meth:`to_json`."""
        read = json.loads(text)
        version = read["to_delete"]
        to_delete = version and ObjectVersion(datetime.fromisoformat(version[0]), version[1])
        restored = read["restored"] and tuple(read["restored"])
        return cls(IntentKind(read["kind"]), to_delete, read["attempts"], read["removed_by"], restored)


@dataclass(frozen=True)
class IngestFailure:
    """Permanent failure to index the content with this ``etag``, as the members of a problem document."""

    etag: str
    type: str
    title: str
    detail: str

    @classmethod
    def from_problem(cls, problem: TenantryError, etag: str) -> Self:
        """Return a problem as the failure of a content."""
        members = problem.to_problem()
        return cls(etag, members["type"], members["title"], members["detail"])


@dataclass(frozen=True)
class IngestProgress:
    """Progress of a document's ingest by the journal; ``failure`` may belong to an earlier content."""

    indexing: bool = False
    failure: IngestFailure | None = None
