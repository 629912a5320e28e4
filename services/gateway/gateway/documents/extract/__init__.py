"""The text of a file, page by page where it has pages.

Runs in a reader process (:mod:`..worker`), because what is read here comes from anybody: a crafted file
may take all memory or never end. Parsers raise whatever they like at a broken file; here it becomes one
of ours, with a reason that the sender can act on.
"""

from collections.abc import Callable, Iterable

from ...models import Page
from ...problems import DocumentEmpty, DocumentRefused, DocumentUnreadable
from ..formats import Format, sniff
from .blocks import Draft, compose
from .mail import mail
from .pdf import pdf
from .plain import markdown, text
from .sheets import csv, xlsx
from .slides import pptx
from .web import html
from .word import docx

__all__ = ["extract"]

_EXTRACTORS: dict[Format, Callable[[bytes], Iterable[Draft]]] = {
    Format.TEXT: text,
    Format.MARKDOWN: markdown,
    Format.HTML: html,
    Format.CSV: csv,
    Format.MAIL: mail,
    Format.PDF: pdf,
    Format.DOCX: docx,
    Format.PPTX: pptx,
    Format.XLSX: xlsx,
}


def extract(filename: str, content: bytes) -> tuple[Format, list[Page]]:
    """Return a file's format and its pages; some of them may be without text.

    Raises
    ------
    DocumentRefused
        One of its subclasses, with the reason.
    """
    format_ = sniff(filename, content)
    try:
        pages = list(compose(_EXTRACTORS[format_](content)))
    except (DocumentRefused, MemoryError):
        raise
    except Exception as exc:
        raise DocumentUnreadable(f"The {format_} file is damaged.") from exc
    if not any(page.text for page in pages):
        hint = " A scan must be recognised (OCR) first." if format_ is Format.PDF else ""
        raise DocumentEmpty(f"The {format_} file holds no text.{hint}")
    return format_, pages
