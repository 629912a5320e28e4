"""Removal of text that Word does not show from DOCX, so that it is not indexed.

White text is hidden only if nothing dark can be behind it. Each of these may be dark:

- a shading or highlight of its run, paragraph, cell or table, or of their styles;
- a text box, or a picture behind the text;
- a colour of the page.
"""

from dataclasses import dataclass
from typing import Any

from docx.oxml.ns import qn

__all__ = ["remove_hidden"]

_OFF = ("0", "false", "off")
_MAX_STYLE_DEPTH = 20
_TINY_HALF_POINTS = 2.0
_WHITE = 0xFA
"""Minimum of each colour component of white."""

_BEHIND_TEXT = b'behindDoc="1"'


@dataclass(frozen=True, slots=True)
class _Format:
    """Formatting that may hide text; None where it is not declared."""

    vanish: bool | None = None
    half_points: float | None = None
    white: bool | None = None
    filled: bool = False

    def inherit_from(self, base: "_Format") -> "_Format":
        """Return this formatting with undeclared fields from a base."""
        return _Format(
            base.vanish if self.vanish is None else self.vanish,
            base.half_points if self.half_points is None else self.half_points,
            base.white if self.white is None else self.white,
            self.filled or base.filled,
        )


def remove_hidden(document: Any) -> None:
    """Remove the rows and runs that formatting or styles hide."""
    body = document.element.body
    for row in body.xpath(".//w:tr[w:trPr/w:hidden]"):
        if _is_on(row.find(qn("w:trPr")).find(qn("w:hidden"))):
            row.getparent().remove(row)
    styles = _Styles(document.styles.element)
    blank = _is_blank(document)
    paragraphs: dict[Any, tuple[_Format, bool]] = {}
    for run in list(body.iter(qn("w:r"))):
        paragraph = next(run.iterancestors(qn("w:p")), None)
        if paragraph not in paragraphs:
            style, vanish = styles.get_paragraph(paragraph)
            paragraphs[paragraph] = (
                _Format(filled=not blank or _is_filled_around(run, styles)).inherit_from(style),
                vanish,
            )
        if styles.is_hidden(run, *paragraphs[paragraph]):
            run.getparent().remove(run)


class _Styles:
    """Formats of a document's styles, including the styles that they are based on."""

    def __init__(self, element: Any) -> None:
        self._elements = {style.get(qn("w:styleId")): style for style in element.xpath("w:style")}
        self._known: dict[str, _Format] = {}
        defaults = element.xpath("w:docDefaults/w:rPrDefault")
        self._defaults = _parse_format(defaults[0]) if defaults else _Format()
        standard = element.xpath("w:style[@w:type='paragraph'][@w:default='1']/@w:styleId")
        self._standard = standard[0] if standard else None

    def get(self, name: str | None, depth: int = 0) -> _Format:
        """Return the format of a style."""
        element = self._elements.get(name)
        if name is None or element is None or depth > _MAX_STYLE_DEPTH:
            return _Format()
        if name not in self._known:
            base = element.find(qn("w:basedOn"))
            below = self.get(base.get(qn("w:val")), depth + 1) if base is not None else _Format()
            # A table style may shade only some rows, so any text in the table may be on a shaded row.
            filled = any(_is_fill(shading) for shading in element.iter(qn("w:shd")))
            self._known[name] = (
                _Format(filled=filled).inherit_from(_parse_format(element)).inherit_from(below)
            )
        return self._known[name]

    def get_paragraph(self, paragraph: Any) -> tuple[_Format, bool]:
        """Return the format of a paragraph's style, and True if the style hides text."""
        name = paragraph.xpath("w:pPr/w:pStyle/@w:val") if paragraph is not None else []
        style = self.get(name[0] if name else self._standard)
        filled = paragraph is not None and any(map(_is_fill, paragraph.xpath("w:pPr/w:shd")))
        return _Format(filled=filled).inherit_from(style).inherit_from(self._defaults), bool(style.vanish)

    def is_hidden(self, run: Any, paragraph: _Format, vanish: bool) -> bool:  # noqa: FBT001
        """Return True if a run is not shown."""
        name = run.xpath("w:rPr/w:rStyle/@w:val")
        style = self.get(name[0]) if name else _Format()
        own = _parse_format(run)
        # The properties of paragraph and character styles toggle: text that both hide is shown.
        hidden = bool(style.vanish) != vanish if own.vanish is None else own.vanish
        full = own.inherit_from(style).inherit_from(paragraph)
        tiny = full.half_points is not None and full.half_points <= _TINY_HALF_POINTS
        return hidden or tiny or (bool(full.white) and not full.filled)


def _parse_format(element: Any) -> _Format:
    """Return the formatting in the ``w:rPr`` of a run or a style."""
    properties = element.find(qn("w:rPr"))
    if properties is None:
        return _Format()
    vanish, size, colour = (properties.find(qn(name)) for name in ("w:vanish", "w:sz", "w:color"))
    highlight = properties.find(qn("w:highlight"))
    return _Format(
        None if vanish is None else _is_on(vanish),
        None if size is None else _parse_number(size.get(qn("w:val"))),
        None if colour is None else _is_white(colour.get(qn("w:val"), "")),
        any(map(_is_fill, properties.findall(qn("w:shd"))))
        or (highlight is not None and highlight.get(qn("w:val")) not in ("none", "white")),
    )


def _is_on(switch: Any) -> bool:
    return switch.get(qn("w:val"), "true") not in _OFF


def _parse_number(value: str | None) -> float | None:
    try:
        return float(value or "")
    except ValueError:
        return None


def _is_white(colour: str) -> bool:
    try:
        return len(colour) == len("FFFFFF") and min(bytes.fromhex(colour)) >= _WHITE
    except ValueError:
        return False


def _is_fill(shading: Any) -> bool:
    """Return True if a shading is not white."""
    fill = shading.get(qn("w:fill"), "auto")
    return (
        shading.get(qn("w:val"), "clear") not in ("clear", "nil")
        or shading.get(qn("w:themeFill")) is not None
        or not (fill == "auto" or _is_white(fill))
    )


def _is_filled_around(run: Any, styles: _Styles) -> bool:
    """Return True if a cell, a table or a text box around a run may have a colour."""
    for element in run.iterancestors(qn("w:tc"), qn("w:tr"), qn("w:tbl"), qn("w:txbxContent")):
        if element.tag == qn("w:txbxContent"):
            return True
        if any(map(_is_fill, element.xpath("w:tcPr/w:shd | w:tblPr/w:shd | w:tblPrEx/w:shd"))):
            return True
        if any(styles.get(name).filled for name in element.xpath("w:tblPr/w:tblStyle/@w:val")):
            return True
    return False


def _is_blank(document: Any) -> bool:
    """Return True if a document has no page colour and no picture or shape behind the text."""
    body = document.element
    if body.xpath("w:background") or body.xpath(".//wp:anchor[@behindDoc='1'] | .//w:pict"):
        return False
    headers = [part for part in document.part.package.iter_parts() if "/header" in part.partname]
    return not any(_BEHIND_TEXT in part.blob or b"<w:pict" in part.blob for part in headers)
