"""Data classes of a plan: its configuration, its actions, and the status of each file."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from ..models import File, ListedDocument

__all__ = ["ActionType", "FileState", "FileStatus", "Plan", "PlanConfig", "PlannedAction"]


class ActionType(StrEnum):
    """Types of actions on a document."""

    STORE = "store"
    """Store the file's content in S3 and index it; then delete the copies at former places."""

    CHECK = "check"
    """Store it if the stored object was made from other content."""

    INDEX = "index"
    """Index the stored object; then delete the copies at former places."""

    DELETE = "delete"
    """Delete the document."""


@dataclass(frozen=True)
class PlannedAction:
    """An action on a document.

    Parameters
    ----------
    former
        Other places of the document: pairs of persona id and file name.
    is_final
        True if nothing else is to be done once a check finds the same content.
    reason
        Reason of a deletion, for the log.
    batch
        Number of documents that the plan deletes for such a reason.
    replaced_by
        Id of the document that replaced a deleted one; empty for none.
    """

    type: ActionType
    document_id: str
    persona_id: str
    filename: str
    file: File | None = None
    former: tuple[tuple[str, str], ...] = ()
    is_final: bool = False
    reason: str = ""
    batch: int = 1
    replaced_by: str = ""


class FileState(StrEnum):
    """States of a file, as its owner sees them. docs/file-sync.md explains each."""

    WAITING = "waiting"
    RECEIVED = "received"
    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"
    REFUSED = "refused"
    KEPT = "kept"
    REPLACED = "replaced"
    NOT_SYNCED = "not-synced"
    NO_TENANT = "no-tenant"
    OTHER_TENANT = "other-tenant"


@dataclass(frozen=True)
class FileStatus:
    """State of a file, with a reason if there is one to show."""

    state: FileState
    reason: str | None = None
    persona_id: str | None = None


@dataclass(frozen=True)
class PlanConfig:
    """Limits of an installation.

    Parameters
    ----------
    document_bytes
        Largest file.
    bucket
        Bucket of Open WebUI's files.
    """

    document_bytes: int
    bucket: str


@dataclass
class Plan:
    """Actions for a tenant, and the status of its files.

    Parameters
    ----------
    statuses
        By file id.
    unresolved_subjects
        Subjects to resolve in Keycloak before the next plan.
    detached
        Ids of documents without a link, whose files must be fetched before the next plan.
    unowned
        Documents of the gateway with the name of a file, whose owners must be fetched before the next plan.
    needs_recheck
        True if something changes without a change in Open WebUI's database.
    blocked_deletions
        Number of deletions that the gateway holds, because they exceed its mass-deletion limit.
    """

    actions: list[PlannedAction] = field(default_factory=list)
    statuses: dict[str, FileStatus] = field(default_factory=dict)
    unresolved_subjects: set[str] = field(default_factory=set)
    detached: set[str] = field(default_factory=set)
    unowned: set[ListedDocument] = field(default_factory=set)
    needs_recheck: bool = False
    blocked_deletions: int = 0

    @property
    def counts(self) -> Counter[FileState]:
        """Number of files in each state."""
        return Counter(status.state for status in self.statuses.values())
