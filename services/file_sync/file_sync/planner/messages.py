"""Messages of a plan: reasons that owners see, and reasons of deletions for the log."""

__all__ = [
    "FILE_GONE",
    "KEPT",
    "NAME_OF_COLLEAGUE",
    "NOT_SYNCED",
    "OWNER_UNKNOWN",
    "REMOVED",
    "REPLACED",
    "SUPERSEDED",
    "UPLOAD_OWNER_UNKNOWN",
]

NOT_SYNCED = "It is in no persona's knowledge base and was not sent to a persona."

KEPT = (
    "It was removed from the knowledge base, but not by its owner or an administrator; answers still use it. "
    "Put it back, or delete the file."
)

REPLACED = "Its owner has uploaded a newer file of this name; answers use that one."

NAME_OF_COLLEAGUE = (
    "A colleague's document of this persona has this name. Upload it under another name, or ask its owner or "
    "an administrator to remove that one."
)

OWNER_UNKNOWN = "Its owner cannot be verified right now."

UPLOAD_OWNER_UNKNOWN = (
    "A document of this persona has this name, and its owner cannot be determined right now."
)

FILE_GONE = "Deleted a document, because its file no longer exists"
REMOVED = "Deleted a document, because its owner or an administrator removed its file"
SUPERSEDED = "Deleted a document, because a newer file of its name and owner replaced it"
