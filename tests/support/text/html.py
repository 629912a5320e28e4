"""Text extraction from HTML pages for tests."""

from gateway.documents.extract import extract

__all__ = ["extract_text"]


def extract_text(body: str, head: str = "") -> str:
    """Return the text extracted from a page, with text before and after the body."""
    page = f"<html><head>{head}</head><body>Seen.{body}<p>Last.</p></body></html>"
    _, (read,) = extract("a.html", page.encode())
    return " ".join(read.text.split())
