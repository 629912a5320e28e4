"""HTML pages, and the text that is read of them."""

from gateway.documents.extract import extract

__all__ = ["text_of"]


def text_of(body: str, head: str = "") -> str:
    """Return what is read of a page, between a text before the body and one behind it."""
    page = f"<html><head>{head}</head><body>Seen.{body}<p>Last.</p></body></html>"
    _, (read,) = extract("a.html", page.encode())
    return " ".join(read.text.split())
