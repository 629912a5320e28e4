"""Tests of DOCX text that a style, a row, its size or its colour hides: only visible text is read."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from docx import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Pt, RGBColor
from gateway.documents.extract import extract

WHITE = RGBColor(255, 255, 255)


def extract_text(document: Any) -> str:
    file = io.BytesIO()
    document.save(file)
    _, (read,) = extract("a.docx", file.getvalue())
    return " ".join(read.text.split())


def make_shading(fill: str) -> Any:
    return parse_xml(f'<w:shd {nsdecls("w")} w:val="clear" w:color="auto" w:fill="{fill}"/>')


def add_styles(document: Any, kind: WD_STYLE_TYPE, change: Callable[[Any], None], *names: str) -> None:
    base = document.styles.add_style(names[0], kind)
    change(base.font)
    for name in names[1:]:
        style = document.styles.add_style(name, kind)
        style.base_style = base
        base = style


def hide(font: Any) -> None:
    font.hidden = True


def whiten(font: Any) -> None:
    font.color.rgb = WHITE


def shrink(font: Any) -> None:
    font.size = Pt(1)


@pytest.mark.parametrize("change", [hide, whiten, shrink])
def test_text_of_a_style_with_a_hidden_base_style_is_not_read(change: Callable[[Any], None]) -> None:
    document = Document()
    add_styles(document, WD_STYLE_TYPE.CHARACTER, change, "C1", "C2", "C3")
    add_styles(document, WD_STYLE_TYPE.PARAGRAPH, change, "P1", "P2", "P3")
    document.add_paragraph("Seen. ").add_run("Secret.", style="C3")
    document.add_paragraph("Secret.", style="P3")
    assert extract_text(document) == "Seen."


@pytest.mark.parametrize("change", [hide, whiten, shrink])
def test_text_with_hidden_formatting_is_not_read(change: Callable[[Any], None]) -> None:
    document = Document()
    change(document.add_paragraph("Seen. ").add_run("Secret.").font)
    cell = document.add_table(1, 1, style="Table Grid").cell(0, 0)
    change(cell.paragraphs[0].add_run("Secret.").font)
    assert extract_text(document) == "Seen."


@pytest.mark.parametrize(("half_points", "read"), [("0", ""), ("1", ""), ("4", " Text.")])
def test_text_of_size_zero_is_not_read(half_points: str, read: str) -> None:
    document = Document()
    run = document.add_paragraph("Seen. ").add_run("Text.")
    size = OxmlElement("w:sz")
    size.set(qn("w:val"), half_points)
    run._r.get_or_add_rPr().append(size)
    assert extract_text(document) == f"Seen.{read}"


@pytest.mark.parametrize(("value", "read"), [(None, "a"), ("1", "a"), ("0", "a Text.")])
def test_a_hidden_row_is_not_read(value: str | None, read: str) -> None:
    document = Document()
    table = document.add_table(2, 1)
    table.cell(0, 0).text, table.cell(1, 0).text = "a", "Text."
    hidden = OxmlElement("w:hidden")
    if value:
        hidden.set(qn("w:val"), value)
    table.rows[1]._tr.get_or_add_trPr().append(hidden)
    assert extract_text(document) == read


def add_on_shaded_run(document: Any) -> Any:
    run = document.add_paragraph().add_run("Kept.")
    run._r.get_or_add_rPr().append(make_shading("000000"))
    return run


def add_on_shaded_paragraph(document: Any) -> Any:
    paragraph = document.add_paragraph()
    paragraph._p.get_or_add_pPr().append(make_shading("1F3864"))
    return paragraph.add_run("Kept.")


def add_on_shaded_style(document: Any) -> Any:
    style = document.styles.add_style("Banner", WD_STYLE_TYPE.PARAGRAPH)
    style.element.get_or_add_pPr().append(make_shading("1F3864"))
    below = document.styles.add_style("Below", WD_STYLE_TYPE.PARAGRAPH)
    below.base_style = style
    return document.add_paragraph(style="Below").add_run("Kept.")


def add_in_shaded_cell(document: Any) -> Any:
    cell = document.add_table(1, 1).cell(0, 0)
    cell._tc.get_or_add_tcPr().append(make_shading("444444"))
    return cell.paragraphs[0].add_run("Kept.")


def add_in_nested_table(document: Any) -> Any:
    cell = document.add_table(1, 1).cell(0, 0)
    cell._tc.get_or_add_tcPr().append(make_shading("444444"))
    return cell.add_table(1, 1).cell(0, 0).paragraphs[0].add_run("Kept.")


def add_in_styled_table(document: Any) -> Any:
    table = document.add_table(1, 1, style="Medium Shading 1 Accent 1")
    return table.cell(0, 0).paragraphs[0].add_run("Kept.")


def add_on_highlight(document: Any) -> Any:
    run = document.add_paragraph().add_run("Kept.")
    run.font.highlight_color = 1
    return run


def add_on_coloured_page(document: Any) -> Any:
    document.element.insert(0, parse_xml(f'<w:background {nsdecls("w")} w:color="000000"/>'))
    return document.add_paragraph().add_run("Kept.")


def add_on_picture(document: Any) -> Any:
    anchor = parse_xml(f'<w:r {nsdecls("w", "wp")}><w:drawing><wp:anchor behindDoc="1"/></w:drawing></w:r>')
    document.add_paragraph()._p.append(anchor)
    return document.add_paragraph().add_run("Kept.")


def add_on_header_picture(document: Any) -> Any:
    picture = parse_xml(f"<w:r {nsdecls('w')}><w:pict/></w:r>")
    document.sections[0].header.paragraphs[0]._p.append(picture)
    return document.add_paragraph().add_run("Kept.")


@pytest.mark.parametrize(
    "add",
    [
        add_on_shaded_run,
        add_on_shaded_paragraph,
        add_on_shaded_style,
        add_in_shaded_cell,
        add_in_nested_table,
        add_in_styled_table,
        add_on_highlight,
        add_on_coloured_page,
        add_on_picture,
        add_on_header_picture,
    ],
)
def test_white_text_on_a_possibly_dark_background_is_read(add: Callable[[Any], Any]) -> None:
    document = Document()
    add(document).font.color.rgb = WHITE
    assert extract_text(document) == "Kept."


@pytest.mark.parametrize("colour", ["auto", "F2F2F2", "000000", "nonsense"])
def test_text_of_other_colours_is_read(colour: str) -> None:
    document = Document()
    run = document.add_paragraph().add_run("Kept.")
    element = OxmlElement("w:color")
    element.set(qn("w:val"), colour)
    run._r.get_or_add_rPr().append(element)
    assert extract_text(document) == "Kept."


def test_text_that_overrides_a_hidden_style_is_read() -> None:
    document = Document()
    add_styles(document, WD_STYLE_TYPE.CHARACTER, hide, "C1", "C2")
    add_styles(document, WD_STYLE_TYPE.PARAGRAPH, hide, "P1", "P2")
    document.styles["C2"].font.hidden = False
    document.add_paragraph().add_run("One.", style="C2")
    document.add_paragraph(style="P2").add_run("Two.").font.hidden = False
    document.add_paragraph(style="P2").add_run("Three.", style="C1")  # Word shows text that both styles hide
    assert extract_text(document) == "One. Two. Three."


def test_styles_with_a_cyclic_base_are_read() -> None:
    document = Document()
    first = document.styles.add_style("A", WD_STYLE_TYPE.CHARACTER)
    first.base_style = document.styles.add_style("B", WD_STYLE_TYPE.CHARACTER)
    document.styles["B"].base_style = first
    document.add_paragraph().add_run("Kept.", style="A")
    assert extract_text(document) == "Kept."
