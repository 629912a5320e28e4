"""Messages for users about an exceeded quota of documents or of storage."""

from .quantities import format_bytes

__all__ = ["explain_document_quota", "explain_storage_quota"]

_ADVICE = "Delete documents, or ask your administrator for a higher limit."


def explain_document_quota(*, limit: int, used: int) -> str:
    """Return a message with the limit of documents, the number of stored documents and the next step."""
    return f"The tenant has reached its limit of documents: {used} are stored, {limit} are allowed. {_ADVICE}"


def explain_storage_quota(*, limit: int, used: int, size: int) -> str:
    """Return a message with the limit of storage, the used storage and the next step; sizes are in bytes."""
    return (
        f"This document of {format_bytes(size)} does not fit: the tenant uses {format_bytes(used)} "
        f"of its limit of {format_bytes(limit)}. {_ADVICE}"
    )
