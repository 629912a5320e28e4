"""E-mail: who wrote to whom about what, the body, and the names of what was attached.

Attachments are not read: each is a document of its own, to be sent as one.
"""

from collections.abc import Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import EmailPolicy
from typing import Any

from selectolax.lexbor import LexborHTMLParser
from typing_extensions import override

from ...problems import DocumentTooLarge, DocumentUnreadable
from .blocks import Block, Draft
from .web import html_blocks

__all__ = ["mail"]

PARTS = 250
"""Most MIME parts of one e-mail. The parser calls itself for a part within a part, and asks each of them
about every line."""

HEADER_CHARACTERS = 32 * 1024
"""Longest header: some thousand recipients. The parser takes seconds for one of a hundred thousand."""

_SHOWN = ("From", "To", "Cc", "Date")


def mail(content: bytes) -> Iterator[Draft]:
    """Yield the one page of an e-mail.

    Raises
    ------
    DocumentRefused
        It has too many parts or too long a header.
    """
    yield Draft(_blocks(_parse(content)))


def _parse(content: bytes) -> EmailMessage:
    parts = 0

    def make_part() -> EmailMessage:
        nonlocal parts
        parts += 1
        if parts > PARTS:
            raise DocumentTooLarge(f"The e-mail has more than {PARTS} parts.")
        return EmailMessage()

    message = BytesParser(make_part, policy=_BoundedPolicy()).parsebytes(content)
    assert isinstance(message, EmailMessage)  # noqa: S101 (as make_part makes them)
    return message


class _BoundedPolicy(EmailPolicy):
    """Refuses headers that would take long to understand, before anybody tries."""

    @override
    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        if sum(map(len, sourcelines)) > HEADER_CHARACTERS:
            raise DocumentUnreadable(f"The e-mail has a header of more than {HEADER_CHARACTERS} characters.")
        return super().header_source_parse(sourcelines)


def _blocks(message: EmailMessage) -> Iterator[Block]:
    if subject := message["Subject"]:
        yield Block(f"Subject: {subject}", level=0)
    for field in _SHOWN:
        if value := message[field]:
            yield Block(f"{field}: {value}", gap="\n")
    if body := message.get_body(("plain", "html")):
        yield from _text(body)
    attached = []
    for part in message.iter_attachments():
        if name := part.get_filename():
            attached.append(name)
        elif part.get_content_maintype() == "text" and not part.is_attachment():
            yield from _text(part)  # some programs go on with the text below a picture
    if attached:
        yield Block(f"Attachments: {', '.join(attached)}")


def _text(part: Any) -> Iterator[Block]:
    text = part.get_content()
    if part.get_content_subtype() == "html":
        yield from html_blocks(LexborHTMLParser(text))
    else:
        yield Block(text)
