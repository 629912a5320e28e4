"""Tests of the extraction of PPTX."""

import io

from gateway.documents.extract import extract
from gateway.documents.formats import Format
from gateway.models import Heading, Page
from pptx import Presentation
from pptx.util import Inches

from tests.support.documents.files import make_pptx


def test_a_slide_is_a_page_with_its_table_and_notes() -> None:
    content = make_pptx(
        ("Aims", "Grow.\nSave."),
        ("Budget 2026", "In euros."),
        table=[["Year", "Sum"], ["2026", "5"]],
        notes="Mention the reserve.",
    )
    assert extract("a.pptx", content) == (
        Format.PPTX,
        [
            Page("Aims\n\nGrow.\nSave.", 1, (Heading("Aims", 1, 0),)),
            Page(
                "Budget 2026\n\nIn euros.\n\nYear | Sum\n2026 | 5\n\nMention the reserve.",
                2,
                (Heading("Budget 2026", 1, 0),),
            ),
        ],
    )


def test_a_slide_without_text_keeps_its_number() -> None:
    _, pages = extract("a.pptx", make_pptx(("", ""), ("Second", "")))
    assert [(page.text, page.number) for page in pages] == [("", 1), ("Second", 2)]


def test_shapes_in_groups_are_read() -> None:
    assert "In a group." in extract("a.pptx", make_grouped_pptx("In a group."))[1][0].text


def make_grouped_pptx(text: str) -> bytes:
    """Return a PPTX with a text box in a group in a group."""
    presentation = Presentation()
    shapes = presentation.slides.add_slide(presentation.slide_layouts[6]).shapes
    inner = shapes.add_group_shape().shapes.add_group_shape().shapes
    inner.add_textbox(Inches(1), Inches(1), Inches(1), Inches(1)).text_frame.text = text
    buffer = io.BytesIO()
    presentation.save(buffer)
    return buffer.getvalue()
