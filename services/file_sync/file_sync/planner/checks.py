"""Checks of one file and of its document."""

import re

from ..models import File, ListedDocument
from .models import PlanConfig

__all__ = ["find_defect", "may_differ", "may_succeed_on_retry"]

_FILE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

_PERMANENT_PROBLEMS = (
    "document-empty",
    "document-too-large",
    "document-unreadable",
    "document-unsupported",
)
"""Problem types that a retry does not solve."""


def find_defect(file: File, config: PlanConfig) -> str | None:
    """Return the reason to refuse a file before its content is read, or ``None``."""
    if not _FILE_ID.fullmatch(file.id):
        return "Its id is not one of Open WebUI."
    name = file.path.rpartition("/")[2]
    if not file.path.startswith(f"s3://{config.bucket}/") or not name.startswith(file.id):
        return "Its content is not where Open WebUI stores files."
    if file.size == 0:
        return "The file is empty."
    if file.size is not None and file.size > config.document_bytes:
        return f"The file has {file.size} bytes; the limit is {config.document_bytes}."
    return None


def may_differ(file: File, document: ListedDocument) -> bool:
    """Return True if the document may have been made from another content than the file's."""
    if file.size is not None and file.size != document.size:
        return True
    return bool(document.sha256 and _SHA256.fullmatch(file.digest) and document.sha256 != file.digest)


def may_succeed_on_retry(document: ListedDocument) -> bool:
    """Return True if the document failed for a reason that a retry may solve."""
    return document.state == "failed" and not (
        document.problem and document.problem[0].endswith(_PERMANENT_PROBLEMS)
    )
