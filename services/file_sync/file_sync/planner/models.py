"""Data classes of a plan: its configuration, its actions, and the report on each file."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from ..models import File, ListedDocument

__all__ = ["ActionType", "FileReport", "FileState", "Plan", "PlanConfig", "PlannedAction"]


class ActionType(StrEnum):
    """Types of actions on a document."""

    STORE = "store"
    """Store the file's content in S3 and index it; then delete copies under former personas and names."""

    CHECK = "check"
    """Store the content if the stored object was made from another content."""

    INDEX = "index"
    """Index the stored object; then delete copies under former personas and names."""

    DELETE = "delete"
    """Delete the document."""


@dataclass(frozen=True)
class PlannedAction:
    """An action on a document.

    Parameters
    ----------
    former
        Former personas and names of the document: pairs of persona id and file name.
    is_final
        True if a check that finds the same content ends the action.
    reason
        Reason of a deletion, for the log.
    batch
        Number of documents that the plan deletes because their file or link was removed.
    replaced_by
        Id of the document that replaced a deleted document; empty for none.
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
    """States of a file that its owner sees. docs/file-sync.md explains each state."""

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
class FileReport:
    """State of a file, with a reason for the owner where one helps."""

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
    """Actions for a tenant, and the reports on its files.

    Parameters
    ----------
    reports
        Report on each file, by file id.
    unresolved_subjects
        Subjects to resolve in Keycloak before the next plan.
    detached
        Ids of documents without a link, whose files must be fetched before the next plan.
    unowned
        Documents from the gateway that have a file's name. Fetch their owners before the next plan.
    needs_recheck
        True if the plan can change without a change in Open WebUI's database.
    blocked_deletions
        Number of deletions that the gateway holds, because they exceed its mass-deletion limit.
    """

    actions: list[PlannedAction] = field(default_factory=list)
    reports: dict[str, FileReport] = field(default_factory=dict)
    unresolved_subjects: set[str] = field(default_factory=set)
    detached: set[str] = field(default_factory=set)
    unowned: set[ListedDocument] = field(default_factory=set)
    needs_recheck: bool = False
    blocked_deletions: int = 0

    @property
    def counts(self) -> Counter[FileState]:
        """Number of files in each state."""
        return Counter(report.state for report in self.reports.values())
