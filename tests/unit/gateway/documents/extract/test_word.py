"""Tests of hidden text in DOCX, which is not read."""

import io

import pytest
from docx import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from gateway.documents.extract import extract


def extract_text(document: object) -> str:
    file = io.BytesIO()
    document.save(file)  # type: ignore[attr-defined]
    _, (read,) = extract("a.docx", file.getvalue())
    return read.text


@pytest.mark.parametrize("place", ["paragraph", "cell"])
def test_runs_that_are_hidden_are_not_read(place: str) -> None:
    document = Document()
    container = document if place == "paragraph" else document.add_table(1, 1).cell(0, 0)
    paragraph = container.add_paragraph("Seen. ")
    paragraph.add_run("Secret. ").font.hidden = True
    paragraph.add_run("Kept.").font.hidden = False
    assert " ".join(extract_text(document).split()) == "Seen. Kept."


def test_text_of_a_hidden_style_is_not_read() -> None:
    document = Document()
    for name, kind in (("Of words", WD_STYLE_TYPE.CHARACTER), ("Of paragraphs", WD_STYLE_TYPE.PARAGRAPH)):
        document.styles.add_style(name, kind).font.hidden = True
    paragraph = document.add_paragraph("Seen.")
    paragraph.add_run(" Secret.", style="Of words")
    document.add_paragraph("Secret.", style="Of paragraphs")
    shown = document.add_paragraph(style="Of paragraphs").add_run("Kept.")
    shown.font.hidden = False
    assert extract_text(document).split() == ["Seen.", "Kept."]


def test_hidden_links_are_not_read() -> None:
    document = Document()
    paragraph = document.add_paragraph("Seen. ")
    link = OxmlElement("w:hyperlink")
    paragraph._p.append(link)
    run = paragraph.add_run("Secret.")
    run.font.hidden = True
    link.append(run._r)
    assert qn("w:vanish") in {element.tag for element in paragraph._p.iter()}
    assert extract_text(document).strip() == "Seen."
