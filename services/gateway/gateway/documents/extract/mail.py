"""Extractor for e-mail: headers, body and the names of attachments.

Attachments are not read: each attachment must be uploaded as a separate document.
"""

from collections.abc import Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import EmailPolicy
from typing import Any

from selectolax.lexbor import LexborHTMLParser
from typing_extensions import override

from ...problems import DocumentTooLarge, DocumentUnreadable
from .blocks import Block, PageBlocks
from .web import extract_html_blocks

__all__ = ["extract_mail"]

MAX_PARTS = 250
"""Maximum number of MIME parts of one e-mail. The parser is recursive, and each level of nesting
processes every line."""

MAX_HEADER_CHARACTERS = 32 * 1024
"""Longest header: about a thousand recipients. The parser needs seconds for a hundred thousand characters."""

_SHOWN_FIELDS = ("From", "To", "Cc", "Date")


def extract_mail(content: bytes) -> Iterator[PageBlocks]:
    """Yield an e-mail as one page.

    Raises
    ------
    DocumentRefused
        The e-mail has too many parts or too long a header.
    """
    yield PageBlocks(_iter_blocks(_parse(content)))


def _parse(content: bytes) -> EmailMessage:
    parts = 0

    def make_part() -> EmailMessage:
        nonlocal parts
        parts += 1
        if parts > MAX_PARTS:
            raise DocumentTooLarge(f"The e-mail has more than {MAX_PARTS} parts.")
        return EmailMessage()

    message = BytesParser(make_part, policy=_BoundedPolicy()).parsebytes(content)
    assert isinstance(message, EmailMessage)  # noqa: S101 (the type that make_part returns)
    return message


class _BoundedPolicy(EmailPolicy):
    """E-mail policy that refuses long headers before they are parsed."""

    @override
    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        if sum(map(len, sourcelines)) > MAX_HEADER_CHARACTERS:
            raise DocumentUnreadable(
                f"The e-mail has a header of more than {MAX_HEADER_CHARACTERS} characters."
            )
        return super().header_source_parse(sourcelines)


def _iter_blocks(message: EmailMessage) -> Iterator[Block]:
    if subject := message["Subject"]:
        yield Block(f"Subject: {subject}", level=0)
    for field in _SHOWN_FIELDS:
        if value := message[field]:
            yield Block(f"{field}: {value}", gap="\n")
    if body := message.get_body(("plain", "html")):
        yield from _extract_text(body)
    attachments = []
    for part in message.iter_attachments():
        if name := part.get_filename():
            attachments.append(name)
        elif part.get_content_maintype() == "text" and not part.is_attachment():
            yield from _extract_text(part)  # some programs continue the text after a picture
    if attachments:
        yield Block(f"Attachments: {', '.join(attachments)}")


def _extract_text(part: Any) -> Iterator[Block]:
    text = part.get_content()
    if part.get_content_subtype() == "html":
        yield from extract_html_blocks(LexborHTMLParser(text))
    else:
        yield Block(text)
