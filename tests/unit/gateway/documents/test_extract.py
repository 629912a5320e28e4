"""Tests of the text extraction from each format. test_formats covers the detection of formats."""

import pytest
from gateway.documents.archives import MAX_UNPACKED_BYTES
from gateway.documents.extract import extract
from gateway.documents.formats import Format
from gateway.models import Page
from gateway.problems import (
    DocumentEmpty,
    DocumentRefused,
    DocumentTooLarge,
    DocumentUnreadable,
    DocumentUnsupported,
)

from tests.support.documents.files import make_docx, make_docx_zip_bomb, make_encrypted_pdf, make_pdf

HTML = b"""<!doctype html><html><head><title>Budget 2026</title><style>p { color: red }</style></head><body>
<h1>Finance</h1><p>The <b>budget</b> is $5,<i>000</i>,000.<br>Second line</p>
<script>steal()</script><noscript>enable scripts</noscript><template>hidden</template>
<table><tr><th>Year<th>Sum</tr><tr><td>2025</td><td>4</td></tr></table><ul><li>one</li><li>two</li></ul></body></html>"""


def read_text(filename: str, content: bytes) -> str:
    _, (page,) = extract(filename, content)
    return page.text


@pytest.mark.parametrize(
    ("filename", "content", "text"),
    [
        pytest.param("a.txt", b"One.\r\nTwo.\rThree.", "One.\nTwo.\nThree.", id="newlines-of-all-systems"),
        pytest.param("a.txt", b"\xef\xbb\xbfOne.", "One.", id="byte-order-mark"),
        pytest.param("a.txt", "Grüße".encode("utf-16"), "Grüße", id="utf-16"),
        pytest.param("a.txt", "u\u0308".encode(), "ü", id="one-unicode-form"),
        pytest.param("a.txt", b"a  \n\n\n\n\nb\x7f", "a\n\nb", id="blank-lines-and-controls"),
        pytest.param("a.md", b"# T\n\n- x\n- y", "# T\n\n- x\n- y", id="markdown-is-kept"),
    ],
)
def test_text_is_normalised(filename: str, content: bytes, text: str) -> None:
    assert read_text(filename, content) == text


def test_html_keeps_visible_text_in_its_lines() -> None:
    assert read_text("a.html", HTML) == (
        "Budget 2026\n\nFinance\n\nThe budget is $5,000,000.\nSecond line\n\n"
        "Year | Sum\n2025 | 4\n\none\n\ntwo"
    )


def test_html_in_a_declared_encoding_is_read() -> None:
    content = b'<html><meta charset="iso-8859-1"><p>Gr\xfc\xdfe'
    assert read_text("a.html", content) == "Grüße"


def test_pdf_keeps_its_pages() -> None:
    format_, pages = extract("a.pdf", make_pdf("First page.", "", "Third page."))
    assert format_ is Format.PDF
    assert pages == [Page("First page.", 1), Page("", 2), Page("Third page.", 3)]


def test_pdf_that_only_restricts_printing_is_read() -> None:
    assert read_text("a.pdf", make_encrypted_pdf("owner", user_password="")) == "A secret."


def test_docx_keeps_paragraphs_and_tables_in_order() -> None:
    content = make_docx("Before.", table=[["Year", "Sum"], ["2025", "4"]], after="After.")
    assert read_text("a.docx", content) == "Before.\n\nYear | Sum\n2025 | 4\n\nAfter."


@pytest.mark.parametrize(
    ("filename", "content", "problem", "reason"),
    [
        pytest.param("a.txt", b"Gr\xfc\xdfe", DocumentUnsupported, "not encoded in UTF-8", id="latin-1-text"),
        pytest.param(
            "a.html", b"<html><p>Gr\xfc\xdfe", DocumentUnsupported, "Save it as UTF-8", id="latin-1-html"
        ),
        pytest.param("a.html", b"<html><script>x</script>", DocumentEmpty, "no text", id="html-of-scripts"),
        pytest.param("a.pdf", make_pdf(""), DocumentEmpty, "OCR", id="scanned-pdf"),
        pytest.param(
            "a.pdf", make_encrypted_pdf("secret"), DocumentUnreadable, "encrypted", id="encrypted-pdf"
        ),
        pytest.param("a.pdf", make_pdf("Text.")[:60], DocumentUnreadable, "damaged", id="pdf-cut-off"),
        pytest.param("a.pdf", b"%PDF-1.7\nnonsense", DocumentUnreadable, "damaged", id="pdf-in-name-only"),
        pytest.param("a.docx", make_docx(), DocumentEmpty, "no text", id="empty-docx"),
        pytest.param(
            "a.docx",
            make_docx_zip_bomb(MAX_UNPACKED_BYTES),
            DocumentTooLarge,
            "unpacks to more than",
            id="zip-bomb",
        ),
    ],
)
def test_unreadable_files_are_refused_with_the_reason(
    filename: str, content: bytes, problem: type[DocumentRefused], reason: str
) -> None:
    with pytest.raises(problem, match=reason):
        extract(filename, content)


def test_a_docx_with_damaged_content_is_refused() -> None:
    content = bytearray(make_docx("Text."))
    start = content.index(b"word/document.xml")
    content[start + 40 : start + 80] = b"\xff" * 40
    with pytest.raises(DocumentUnreadable, match="damaged"):
        extract("a.docx", bytes(content))
