"""Tests of crafted files and the reasons for their refusal. test_attack_costs measures their memory."""

import pytest
from gateway.documents.archives import MAX_MEMBERS, MAX_UNPACKED_BYTES
from gateway.documents.extract import extract
from gateway.documents.extract.blocks import MAX_CHARACTERS, MAX_PAGES
from gateway.documents.extract.mail import MAX_HEADER_CHARACTERS, MAX_PARTS
from gateway.documents.extract.sheets import MAX_FIELD_CHARACTERS
from gateway.problems import DocumentRefused, DocumentTooLarge, DocumentUnreadable

from tests.support.documents.attacks import (
    ENTITIES,
    make_bzip2_bomb,
    make_docx_with_false_size,
    make_docx_with_nested_zip,
    make_docx_with_parts,
    make_docx_with_rows,
    make_entity_file,
    make_nested_mail,
    make_pdf_bomb,
    make_pdf_of_forms,
    make_pdf_with_kids,
    make_xlsx_with_rows,
    make_xlsx_with_strings,
)
from tests.support.documents.files import make_docx_zip_bomb

TO_MANY = b"From: a@b.example\nDate: Mon, 02 Nov 2026 09:30:00 +0100\nTo: %s\n\nText."


@pytest.mark.parametrize(
    ("filename", "content", "problem", "reason"),
    [
        pytest.param(
            "a.docx", make_docx_zip_bomb(MAX_UNPACKED_BYTES), DocumentTooLarge, "unpacks to", id="zip-bomb"
        ),
        pytest.param("a.docx", make_docx_with_false_size(1), DocumentUnreadable, "damaged", id="lying-zip"),
        pytest.param(
            "a.docx", make_docx_with_parts(MAX_MEMBERS), DocumentTooLarge, "members", id="many-members"
        ),
        pytest.param(
            "a.docx",
            make_bzip2_bomb(1),
            DocumentUnreadable,
            "that Office programs do not use",
            id="bzip2-bomb",
        ),
        pytest.param("a.pdf", make_pdf_with_kids("2 0 R"), DocumentUnreadable, "damaged", id="cyclic-pdf"),
        pytest.param(
            "a.pdf",
            make_pdf_with_kids("4 0 R " * (MAX_PAGES + 1)),
            DocumentTooLarge,
            "pages",
            id="pdf-of-many-pages",
        ),
        pytest.param("a.pdf", make_pdf_bomb(80), DocumentUnreadable, "damaged", id="pdf-stream-bomb"),
        pytest.param(
            "a.xlsx",
            make_xlsx_with_rows(b'<row r="99999999999"><c><v>1</v></c></row>'),
            DocumentTooLarge,
            "cells",
            id="cell-far-below",
        ),
        pytest.param(
            "a.xlsx",
            make_xlsx_with_rows(b"".join(b'<row><c r="XFD%d"><v>1</v></c></row>' % n for n in range(2, 700))),
            DocumentTooLarge,
            "cells",
            id="cells-far-to-the-right",
        ),
        pytest.param(
            "a.xlsx",
            make_xlsx_with_strings(b"word " * (MAX_CHARACTERS // 100), 21),
            DocumentTooLarge,
            "characters",
            id="one-text-in-many-cells",
        ),
        pytest.param(
            "a.csv",
            b'a,b\n"' + b"x" * (MAX_FIELD_CHARACTERS + 1),
            DocumentUnreadable,
            "quote",
            id="open-quote",
        ),
        pytest.param("a.eml", make_nested_mail(MAX_PARTS), DocumentTooLarge, "parts", id="nested-e-mail"),
        pytest.param(
            "a.eml",
            TO_MANY % (b"a@b.example, " * (MAX_HEADER_CHARACTERS // 13 + 1)),
            DocumentUnreadable,
            "header",
            id="e-mail-to-many",
        ),
    ],
)
def test_a_crafted_file_is_refused_with_the_reason(
    filename: str, content: bytes, problem: type[DocumentRefused], reason: str
) -> None:
    with pytest.raises(problem, match=reason):
        extract(filename, content)


@pytest.mark.timeout(60)
def test_a_pdf_with_a_billion_drawings_is_read_partly() -> None:
    _, (page,) = extract("a.pdf", make_pdf_of_forms(9, 10))
    assert 1000 < len(page.text) < 1_000_000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("kind", ENTITIES)
@pytest.mark.parametrize("filename", ["a.docx", "a.pptx", "a.xlsx"])
def test_entities_are_refused_in_every_encoding(filename: str, kind: str, encoding: str) -> None:
    with pytest.raises(DocumentUnreadable, match="document type declaration"):
        extract(filename, make_entity_file(filename, kind, encoding))


@pytest.mark.parametrize(
    ("filename", "content", "text"),
    [
        pytest.param("a.docx", make_docx_with_nested_zip(20), "Text.", id="an-archive-inside-stays-closed"),
        pytest.param("a.eml", make_nested_mail(MAX_PARTS // 2), "Deep.", id="e-mail-nested-less"),
        pytest.param(
            "a.xlsx",
            make_xlsx_with_rows(b"<row><c><v>1</v></c></row>", dimension=b"A1:XFD1048576"),
            "S\nYear | Sum\n1",
            id="declared-size-of-a-sheet",
        ),
    ],
)
@pytest.mark.timeout(60)
def test_harmless_files_that_resemble_attacks_are_read(filename: str, content: bytes, text: str) -> None:
    _, (page,) = extract(filename, content)
    assert page.text.endswith(text)


CELL = b"<w:tc><w:tcPr>%s</w:tcPr><w:p><w:r><w:t>%s</w:t></w:r></w:p></w:tc>"
MERGED = CELL % (b'<w:vMerge w:val="%s"/>', b"%s") + CELL % (b"", b"v")


@pytest.mark.timeout(60)
def test_a_cell_that_spans_thousands_of_rows_appears_in_each_row() -> None:
    rows = b"<w:tr>%s</w:tr>" % (MERGED % (b"restart", b"Q1"))
    rows += b"<w:tr>%s</w:tr>" % (MERGED % (b"continue", b"")) * 3000
    _, (page,) = extract("a.docx", make_docx_with_rows(rows))
    assert page.text == "\n".join(["Q1 | v"] * 3001)


@pytest.mark.timeout(60)
def test_a_cell_that_spans_billions_of_columns_is_one_cell() -> None:
    rows = b"<w:tr>%s</w:tr>" % (CELL % (b'<w:gridSpan w:val="2000000000"/>', b"wide") + CELL % (b"", b"v"))
    _, (page,) = extract("a.docx", make_docx_with_rows(rows))
    assert page.text == "wide | v"


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        pytest.param("a.txt", b"x" + b" " * 200_000 + b"x", id="blanks-in-a-line"),
        pytest.param("a.txt", b"x" + b" \n" * 200_000 + b"x", id="blank-lines"),
        pytest.param("a.html", b"<html>x" + b"<br>" * 200_000 + b"x", id="html-lines"),
        pytest.param("a.html", b"<html>x<table>" + b"<tr><td>" * 100_000 + b"x", id="html-cells"),
        pytest.param("a.csv", b"a,b\n" + b"'\"," * 40_000 + b"x", id="csv-quotes"),
        pytest.param("a.md", b"#" * 200_000 + b" x", id="markdown-signs"),
        pytest.param("a", b"From: x\nDate: y\n" + b" " * 20_000 + b"\n\nx", id="e-mail-header"),
    ],
)
@pytest.mark.timeout(60)
def test_no_pattern_takes_quadratic_time(filename: str, content: bytes) -> None:
    extract(filename, content)
