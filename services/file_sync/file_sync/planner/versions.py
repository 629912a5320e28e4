"""Versions of documents: files of one name and one person, in order of their uploads."""

from dataclasses import dataclass

from ..models import File, ListedDocument
from .checks import may_differ
from .filenames import sanitize_filename

__all__ = ["TOP_FOLDER", "DocumentPath", "LinkedFile", "ReadyDocument", "VersionKey", "set_predecessors"]

TOP_FOLDER = ""
"""Id of the top folder of a knowledge base. Documents that were uploaded at the gateway are in the top
folder."""

DocumentPath = tuple[str, str, str]
"""Persona, folder of its knowledge base, and file name."""

VersionKey = tuple[DocumentPath, str]
"""A name, and the person who owns the files of that name."""

ReadyDocument = tuple[int, str]
"""Time of the upload, and id, of a document that searches find."""


@dataclass
class LinkedFile:
    """A file with a link to the tenant, its persona and folder, and the copies of its document.

    Parameters
    ----------
    predecessor
        The document that the file's document replaces: the newest of the older versions.
    """

    file: File
    persona_id: str
    folder: str
    copies: list[ListedDocument]
    predecessor: ListedDocument | None = None

    @property
    def filename(self) -> str:
        """File name of the document."""
        return sanitize_filename(self.file.filename)

    @property
    def document_path(self) -> DocumentPath:
        """Persona, folder and file name of the document."""
        return self.persona_id, self.folder, self.filename

    @property
    def is_ready(self) -> bool:
        """True if searches find exactly this content, under this persona and name only."""
        copies = [(copy.persona_id, copy.filename, copy.state) for copy in self.copies]
        expected = [(self.persona_id, self.filename, "ready")]
        return copies == expected and not may_differ(self.file, self.copies[0])


def set_predecessors(files: list[LinkedFile], upload: ListedDocument | None) -> None:
    """Set the predecessor of each file of one version, oldest first.

    Parameters
    ----------
    upload
        The person's document with the files' name that was uploaded at the gateway.
    """
    older: ListedDocument | None = None
    of_this_second: ListedDocument | None = None
    second = 0
    for linked_file in files:
        if linked_file.file.created_at > second:
            older, of_this_second, second = of_this_second or older, None, linked_file.file.created_at
        linked_file.predecessor = older or (upload if upload and upload.stored_at < second else None)
        if linked_file.copies:
            of_this_second = linked_file.copies[0]
