"""Tests of the detection of file formats."""

import pytest
from gateway.documents.formats import Format, sniff
from gateway.problems import DocumentEmpty, DocumentUnreadable, DocumentUnsupported

from tests.support.documents.files import make_docx, make_pdf, make_pptx, make_xlsx, make_zip

PDF, DOCX = make_pdf("Text."), make_docx("Text.")
PPTX, XLSX = make_pptx(("Title", "Text.")), make_xlsx(S=[["Text."]])
MAIL = b"Return-Path: <a@b.example>\r\nReceived: from x\r\n\tby y\r\nFrom: a@b.example\r\n\r\nText."
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


@pytest.mark.parametrize(
    ("filename", "content", "expected"),
    [
        pytest.param("a.txt", b"Plain.", Format.TEXT, id="text"),
        pytest.param("a.md", b"# Title", Format.MARKDOWN, id="markdown-by-name"),
        pytest.param("README", b"# Title", Format.TEXT, id="no-ending-is-text"),
        pytest.param("a.log", b"line", Format.TEXT, id="unknown-ending-promises-nothing"),
        pytest.param("a.pdf", PDF, Format.PDF, id="pdf"),
        pytest.param("a.PDF", PDF, Format.PDF, id="ending-in-capitals"),
        pytest.param("scan", PDF, Format.PDF, id="pdf-without-ending"),
        pytest.param("a.docx", DOCX, Format.DOCX, id="docx"),
        pytest.param("a", PPTX, Format.PPTX, id="pptx"),
        pytest.param("a.xlsx", XLSX, Format.XLSX, id="xlsx"),
        pytest.param("a.csv", b"a,b\n1,2", Format.CSV, id="csv-by-name"),
        pytest.param("a.TSV", b"a\tb\n1\t2", Format.CSV, id="tab-separated-by-name"),
        pytest.param("a.csv", b"<html><table>", Format.HTML, id="web-page-exported-as-csv"),
        pytest.param("a.eml", MAIL, Format.MAIL, id="e-mail"),
        pytest.param("message", MAIL, Format.MAIL, id="e-mail-by-its-headers"),
        pytest.param("a.md", MAIL, Format.MARKDOWN, id="markdown-may-quote-an-e-mail"),
        pytest.param("a", b"From: x\nNote: the rest is prose.\n", Format.TEXT, id="one-header-is-no-e-mail"),
        pytest.param("a", b"From: x\nDate: y\nand prose", Format.MAIL, id="headers-cut-off"),
        pytest.param("a", b"From: x\nDate: y\nand prose\n", Format.TEXT, id="prose-is-no-header"),
        pytest.param("a.html", b"<p>fragment", Format.HTML, id="html-fragment-by-name"),
        pytest.param("a", b"\xef\xbb\xbf<!-- x --><!doctype HTML><p>x", Format.HTML, id="html-by-content"),
        pytest.param("a.txt", b"<html><script>x</script>", Format.HTML, id="web-page-saved-as-text"),
        pytest.param("a.md", b"<html>", Format.MARKDOWN, id="markdown-may-begin-with-html"),
        pytest.param("a.txt", "Grüße".encode("utf-16"), Format.TEXT, id="utf-16-with-mark"),
    ],
)
def test_the_content_decides_the_format_and_the_name_only_refines_it(
    filename: str, content: bytes, expected: Format
) -> None:
    assert sniff(filename, content) is expected


@pytest.mark.parametrize(
    ("filename", "content", "problem", "reason"),
    [
        pytest.param("a.txt", b"", DocumentEmpty, "empty", id="no-bytes"),
        pytest.param("a.txt", b" \n\t ", DocumentEmpty, "empty", id="only-white-space"),
        pytest.param(
            "a.pdf", b"Plain.", DocumentUnsupported, "named as PDF, but its content is text", id="text-as-pdf"
        ),
        pytest.param(
            "a.docx", PDF, DocumentUnsupported, "named as DOCX, but its content is PDF", id="pdf-as-docx"
        ),
        pytest.param(
            "a.txt", PDF, DocumentUnsupported, "named as text, but its content is PDF", id="pdf-as-text"
        ),
        pytest.param(
            "a.xlsx", DOCX, DocumentUnsupported, "named as XLSX, but its content is DOCX", id="docx-as-xlsx"
        ),
        pytest.param(
            "a.eml",
            b"Plain.",
            DocumentUnsupported,
            "named as e-mail, but its content is text",
            id="text-as-e-mail",
        ),
        pytest.param("a.html", DOCX, DocumentUnsupported, "its content is DOCX", id="docx-as-html"),
        pytest.param("a.png", PNG, DocumentUnsupported, "binary", id="picture"),
        pytest.param("a.txt", b"ab\x00cd", DocumentUnsupported, "binary", id="nul-in-text"),
        pytest.param("a.doc", OLE, DocumentUnsupported, "old or a password-protected", id="ole"),
        pytest.param("a.docx", OLE, DocumentUnsupported, "old or a password-protected", id="encrypted-docx"),
        pytest.param("a.zip", make_zip(a=b"x"), DocumentUnsupported, "not DOCX", id="archive"),
        pytest.param("a.docx", DOCX[:200], DocumentUnreadable, "cut off or damaged", id="docx-cut-off"),
    ],
)
def test_unsupported_formats_are_refused_with_the_reason(
    filename: str, content: bytes, problem: type[Exception], reason: str
) -> None:
    with pytest.raises(problem, match=reason):
        sniff(filename, content)


def test_other_office_formats_are_unsupported() -> None:
    content = make_zip(**{"[Content_Types].xml": b"<Types>ms-visio.drawing.main+xml</Types>"})
    with pytest.raises(DocumentUnsupported, match=r"not DOCX, PPTX or XLSX\. Send text, Markdown"):
        sniff("a.vsdx", content)


@pytest.mark.timeout(60)
def test_many_comments_before_the_markup_take_linear_time() -> None:
    assert sniff("a", b"<!-- -->" * 400 + b"x") is Format.TEXT
