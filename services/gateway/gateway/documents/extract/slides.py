"""Extractor for PPTX: one page per slide, with title, tables and the speaker's notes at the end.

Shapes appear in the order of a screen reader. Charts, SmartArt and pictures are omitted.
"""

import io
from collections.abc import Iterable, Iterator
from typing import Any

from pptx import Presentation
from pptx.shapes.graphfrm import GraphicFrame
from pptx.shapes.group import GroupShape
from pptx.slide import Slide

from ..archives import check_archive
from .blocks import Block, PageBlocks
from .tables import format_row

__all__ = ["extract_pptx"]


def extract_pptx(content: bytes) -> Iterator[PageBlocks]:
    """Yield each slide as a page.

    Raises
    ------
    DocumentRefused
        The archive exceeds a limit.
    """
    check_archive(content)
    for number, slide in enumerate(Presentation(io.BytesIO(content)).slides, start=1):
        yield PageBlocks(_iter_slide_blocks(slide), number)


def _iter_slide_blocks(slide: Slide) -> Iterator[Block]:
    title = slide.shapes.title
    if title is not None:
        yield Block(" ".join(title.text_frame.text.split()), level=1)
    # python-pptx returns new shape objects on each access, so the title is recognised by its id.
    yield from _iter_shape_blocks(s for s in slide.shapes if title is None or s.shape_id != title.shape_id)
    if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame):
        yield Block(notes.text)


def _iter_shape_blocks(shapes: Iterable[Any]) -> Iterator[Block]:
    for shape in shapes:
        if isinstance(shape, GroupShape):
            yield from _iter_shape_blocks(shape.shapes)
        elif isinstance(shape, GraphicFrame) and shape.has_table:
            for number, row in enumerate(shape.table.rows):
                yield Block(format_row(cell.text for cell in row.cells), gap="\n" if number else None)
        elif shape.has_text_frame:
            yield Block(shape.text_frame.text)
