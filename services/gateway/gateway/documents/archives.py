"""Archives that cannot hurt: a DOCX, PPTX or XLSX is a zip, and zips lie.

The directory may name a million members, a member may unpack to a thousand times its size or to more
than it says, and an XML part may define entities that grow without end. All of it is found out here,
with little memory, before a parser that unpacks whole members gets to see the file.
"""

import io
import zipfile
from pathlib import PurePosixPath

from defusedxml import DTDForbidden  # type: ignore[import-untyped]
from defusedxml.ElementTree import iterparse  # type: ignore[import-untyped]

from ..problems import DocumentTooLarge, DocumentUnreadable

__all__ = ["MEMBERS", "UNPACKED_BYTES", "check_archive", "open_archive"]

MEMBERS = 10_000
"""Most members. A presentation of a thousand slides has some four thousand."""

UNPACKED_BYTES = 512 * 1024 * 1024
"""What all members may unpack to. Zip packs zeros a thousandfold."""

PIECE_BYTES = 1024 * 1024
"""As much is unpacked at a time."""

HEAD_BYTES = 64 * 1024
"""In the beginning of an XML part its root must stand, and before the root its DTD, if there is one."""

_ENTRY = b"PK\x01\x02"
_XML_NAMES = frozenset({".xml", ".rels", ".vml"})
_PACKINGS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


def open_archive(content: bytes) -> zipfile.ZipFile:
    """Return an open archive whose members can be read piece by piece in little memory.

    Raises
    ------
    DocumentTooLarge
        It has too many members.
    DocumentUnreadable
        A member is packed in a way that Office does not use.
    zipfile.BadZipFile
        It is no archive.
    """
    # Counted before it is opened: to read the directory alone makes an object of each entry.
    if content.count(_ENTRY) > MEMBERS:
        raise DocumentTooLarge(f"The file is an archive of more than {MEMBERS} members.")
    archive = zipfile.ZipFile(io.BytesIO(content))
    # zipfile unpacks bzip2 and LZMA in one go, however little of it is asked for.
    if any(member.compress_type not in _PACKINGS for member in archive.infolist()):
        archive.close()
        raise DocumentUnreadable("The file is an archive that is packed as no Office program does.")
    return archive


def check_archive(content: bytes) -> None:
    """Unpack every member once, in pieces, and drop it.

    Archives inside the archive are not opened, here or by the parsers, so they are only bytes.

    Raises
    ------
    DocumentTooLarge
        It has too many members or says that it unpacks to too much.
    DocumentUnreadable
        An XML part has a document type declaration.
    zipfile.BadZipFile
        It unpacks to something else than it says.
    """
    with open_archive(content) as archive:
        if sum(member.file_size for member in archive.infolist()) > UNPACKED_BYTES:
            raise DocumentTooLarge(f"The file unpacks to more than {UNPACKED_BYTES >> 20} MiB.")
        for member in archive.infolist():
            with archive.open(member) as part:
                head = part.read(HEAD_BYTES)
                if PurePosixPath(member.filename).suffix.lower() in _XML_NAMES:
                    _check_root(head)
                # In pieces it ends where the directory says, and the checksum tells if that was a lie. Read
                # in one go, as parsers do, all would be unpacked that there is.
                while part.read(PIECE_BYTES):
                    pass


def _check_root(head: bytes) -> None:
    """Refuse a document type declaration: no Office program writes one, and only it can define entities."""
    try:
        for _ in iterparse(io.BytesIO(head), events=["start"], forbid_dtd=True):
            return
    except DTDForbidden as exc:
        raise DocumentUnreadable(
            "The file holds XML with a document type declaration, as no Office program writes it."
        ) from exc
