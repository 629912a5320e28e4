"""Protection against zip bombs: limits for DOCX, PPTX and XLSX files, which are archives.

An archive's directory may list a million members. A member may unpack to a thousand times its size, or to
more than it declares. An XML part may define entities that expand without end. These checks detect all such
archives with little memory, before a parser unpacks whole members.
"""

import io
import zipfile
from pathlib import PurePosixPath

from defusedxml import DTDForbidden  # type: ignore[import-untyped]
from defusedxml.ElementTree import iterparse  # type: ignore[import-untyped]

from ..problems import DocumentTooLarge, DocumentUnreadable

__all__ = ["MAX_MEMBERS", "MAX_UNPACKED_BYTES", "check_archive", "open_archive"]

MAX_MEMBERS = 10_000
"""Maximum number of members. A presentation of a thousand slides has about four thousand."""

MAX_UNPACKED_BYTES = 512 * 1024 * 1024
"""Maximum unpacked size of all members. Zip compresses zeros by a factor of a thousand."""

PIECE_BYTES = 1024 * 1024
"""Size of the pieces in which members are unpacked."""

HEAD_BYTES = 64 * 1024
"""Length of the start of an XML part that is searched for its root and a DTD before it."""

_ENTRY = b"PK\x01\x02"
_XML_NAMES = frozenset({".xml", ".rels", ".vml"})
_COMPRESSION_TYPES = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


def open_archive(content: bytes) -> zipfile.ZipFile:
    """Open an archive whose members can be read piece by piece with little memory.

    Raises
    ------
    DocumentTooLarge
        The archive has too many members.
    DocumentUnreadable
        A member has a compression type that Office does not use.
    zipfile.BadZipFile
        The content is not an archive.
    """
    # Count the members before opening the archive, because zipfile creates an object for each member.
    if content.count(_ENTRY) > MAX_MEMBERS:
        raise DocumentTooLarge(f"The file is an archive of more than {MAX_MEMBERS} members.")
    archive = zipfile.ZipFile(io.BytesIO(content))
    # zipfile unpacks all of a bzip2 or LZMA member, however few bytes are requested.
    if any(member.compress_type not in _COMPRESSION_TYPES for member in archive.infolist()):
        archive.close()
        raise DocumentUnreadable("The file is an archive with a compression that Office programs do not use.")
    return archive


def check_archive(content: bytes) -> None:
    """Unpack every member once, in pieces, and discard it.

    Archives inside the archive are not opened, neither here nor by the parsers.

    Raises
    ------
    DocumentTooLarge
        The archive has too many members, or its declared unpacked size is too large.
    DocumentUnreadable
        An XML part has a document type declaration.
    zipfile.BadZipFile
        A member's content does not match its declared size or checksum.
    """
    with open_archive(content) as archive:
        if sum(member.file_size for member in archive.infolist()) > MAX_UNPACKED_BYTES:
            raise DocumentTooLarge(f"The file unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB.")
        for member in archive.infolist():
            with archive.open(member) as part:
                head = part.read(HEAD_BYTES)
                if PurePosixPath(member.filename).suffix.lower() in _XML_NAMES:
                    _check_root(head)
                # Read in pieces, a member ends at its declared size, and the checksum reveals a wrong size.
                # Parsers read a member as a whole, which would unpack more than the declared size.
                while part.read(PIECE_BYTES):
                    pass


def _check_root(head: bytes) -> None:
    """Refuse a document type declaration: only there can entities be defined. Office programs write none."""
    try:
        for _ in iterparse(io.BytesIO(head), events=["start"], forbid_dtd=True):
            return
    except DTDForbidden as exc:
        raise DocumentUnreadable(
            "The file contains XML with a document type declaration, which Office programs do not write."
        ) from exc
