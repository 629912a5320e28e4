"""PPTX: a page a slide, its title as heading, tables as rows, the speaker's notes at its end.

Shapes come in the order in which a screen reader has them. Charts, SmartArt and pictures are left out.
"""

import io
from collections.abc import Iterable, Iterator
from typing import Any

from pptx import Presentation
from pptx.shapes.graphfrm import GraphicFrame
from pptx.shapes.group import GroupShape
from pptx.slide import Slide

from ..archives import check_archive
from .blocks import Block, Draft
from .tables import table_row

__all__ = ["pptx"]


def pptx(content: bytes) -> Iterator[Draft]:
    """Yield the slides.

    Raises
    ------
    DocumentRefused
        It is an archive that would hurt.
    """
    check_archive(content)
    for number, slide in enumerate(Presentation(io.BytesIO(content)).slides, start=1):
        yield Draft(_slide_blocks(slide), number)


def _slide_blocks(slide: Slide) -> Iterator[Block]:
    title = slide.shapes.title
    if title is not None:
        yield Block(" ".join(title.text_frame.text.split()), level=1)
    # Its shapes are made anew whenever they are asked for, so the title is told by its number.
    yield from _shape_blocks(s for s in slide.shapes if title is None or s.shape_id != title.shape_id)
    if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame):
        yield Block(notes.text)


def _shape_blocks(shapes: Iterable[Any]) -> Iterator[Block]:
    for shape in shapes:
        if isinstance(shape, GroupShape):
            yield from _shape_blocks(shape.shapes)
        elif isinstance(shape, GraphicFrame) and shape.has_table:
            for number, row in enumerate(shape.table.rows):
                yield Block(table_row(cell.text for cell in row.cells), gap="\n" if number else None)
        elif shape.has_text_frame:
            yield Block(shape.text_frame.text)
