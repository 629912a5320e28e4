"""Extractor for PDF: the visible text of each page in drawing order. Pictures are not read.

pypdf limits the decoded size of a stream, the depth and size of the page tree, and the number of forms that a
page draws. A file beyond these limits counts as damaged.
"""

import io
from collections.abc import Iterator

from pypdf import PasswordType, PdfReader

from ...problems import DocumentUnreadable
from .blocks import Block, PageBlocks
from .pdf_hidden import extract_visible_text

__all__ = ["extract_pdf"]


def extract_pdf(content: bytes) -> Iterator[PageBlocks]:
    """Yield the pages of a PDF.

    Raises
    ------
    DocumentUnreadable
        The file needs a password.
    """
    reader = PdfReader(io.BytesIO(content))
    # An empty user password only restricts actions such as printing: every viewer opens such a file.
    if reader.is_encrypted and reader.decrypt("") is PasswordType.NOT_DECRYPTED:
        raise DocumentUnreadable("The PDF is encrypted. Remove its password and send it again.")
    for number, page in enumerate(reader.pages, start=1):
        yield PageBlocks([Block(extract_visible_text(page))], number)
