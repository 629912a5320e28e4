"""PDF: the text that each page shows, in the order in which the file draws it. Pictures are not read.

pypdf bounds what one stream may decode to, the page tree's depth and size, and how often a page may draw
a form; a file that is beyond it counts as damaged.
"""

import io
from collections.abc import Iterator

from pypdf import PasswordType, PdfReader

from ...problems import DocumentUnreadable
from .blocks import Block, Draft
from .pdf_hidden import visible_text

__all__ = ["pdf"]


def pdf(content: bytes) -> Iterator[Draft]:
    """Yield the pages.

    Raises
    ------
    DocumentUnreadable
        It needs a password.
    """
    reader = PdfReader(io.BytesIO(content))
    # An empty user password only restricts printing and the like: every viewer opens such a file.
    if reader.is_encrypted and reader.decrypt("") is PasswordType.NOT_DECRYPTED:
        raise DocumentUnreadable("The PDF is encrypted. Remove its password and send it again.")
    for number, page in enumerate(reader.pages, start=1):
        yield Draft([Block(visible_text(page))], number)
