"""Text extraction from files, page by page if the format has pages.

The extraction runs in a reader process (:mod:`..worker`), because the files are untrusted: a crafted file may
take all memory or never end. A parser may raise any exception for a broken file. The exception becomes a
:class:`DocumentRefused` with a reason that the sender can act on.
"""

from collections.abc import Callable, Iterable

from ...models import Page
from ...problems import DocumentEmpty, DocumentRefused, DocumentUnreadable
from ..formats import Format, sniff
from .blocks import PageBlocks, build_pages
from .mail import extract_mail
from .pdf import extract_pdf
from .plain import extract_markdown, extract_text
from .sheets import extract_csv, extract_xlsx
from .slides import extract_pptx
from .web import extract_html
from .word import extract_docx

__all__ = ["extract"]

_EXTRACTORS: dict[Format, Callable[[bytes], Iterable[PageBlocks]]] = {
    Format.TEXT: extract_text,
    Format.MARKDOWN: extract_markdown,
    Format.HTML: extract_html,
    Format.CSV: extract_csv,
    Format.MAIL: extract_mail,
    Format.PDF: extract_pdf,
    Format.DOCX: extract_docx,
    Format.PPTX: extract_pptx,
    Format.XLSX: extract_xlsx,
}


def extract(filename: str, content: bytes) -> tuple[Format, list[Page]]:
    """Return a file's format and its pages; some pages may have no text.

    Raises
    ------
    DocumentRefused
        The file is refused; the subclass and the detail give the reason.
    """
    format_ = sniff(filename, content)
    try:
        pages = list(build_pages(_EXTRACTORS[format_](content)))
    except (DocumentRefused, MemoryError):
        raise
    except Exception as exc:
        raise DocumentUnreadable(f"The {format_} file is damaged.") from exc
    if not any(page.text for page in pages):
        hint = " A scan must be recognised (OCR) first." if format_ is Format.PDF else ""
        raise DocumentEmpty(f"The {format_} file holds no text.{hint}")
    return format_, pages
