"""Removal of hidden text from PDF pages, while pypdf reads them.

pypdf calls a visitor before each operator. Clearing the operator's operands omits its text. The position of a
form on the page is unknown, so the colour and position of text in forms are ignored.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import hypot, inf
from typing import Any

from pypdf import PageObject
from pypdf.errors import PyPdfError
from pypdf.generic import DictionaryObject, NameObject

__all__ = ["extract_visible_text"]

_MAY_ADD_TEXT = re.compile(rb"T[jJ]|['\"]|Do")
_INVISIBLE, _CLIP = 3, 7
_FILLED_MODES = (0, 4)
_WHITE = 0.99
_FAINT = 0.1
_TINY_POINTS, _TINY_SHARE = 0.8, 0.001
_SCAN_SHARE = 0.5
"""Share of a page that pictures must cover for its invisible text to count as recognised text (OCR)."""

_WIDE_LINE = 4.0
_MAX_BOXES = 5000
"""Maximum number of filled boxes that are compared with white text; with more, all white text is kept."""

_Box = tuple[float, float, float, float]
_EVERYWHERE: _Box = (-inf, -inf, inf, inf)
_MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, PyPdfError)


def extract_visible_text(page: PageObject) -> str:
    """Return the visible text of a page, and the text that was recognised in its pictures."""
    contents = page.get_contents()
    if contents is None or not _MAY_ADD_TEXT.search(contents.get_data()):
        return ""
    visitor = _Visitor(page)
    text = visitor.read()
    return _Visitor(page, visitor.hidden_modes).read() if visitor.hidden_modes else text


@dataclass(frozen=True, slots=True)
class _HiddenModes:
    """Rendering modes whose text is hidden; invisible text over pictures is recognised text."""

    modes: frozenset[int] = frozenset()
    pictures: tuple[_Box, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.modes)


@dataclass(slots=True)
class _Graphics:
    """Part of the graphics state that can hide text."""

    mode: int = 0
    size: float = 12.0
    white: bool = False
    opacity: float = 1.0
    scaled_font: bool = False
    space: str = "/DeviceGray"
    line: float = 1.0

    def copy(self) -> "_Graphics":
        """Return a copy. States are mutable, because copies at each operator would take most of the time."""
        return _Graphics(
            self.mode, self.size, self.white, self.opacity, self.scaled_font, self.space, self.line
        )


class _Visitor:
    """Visitor of a page's operators, which clears the operands of operators that show hidden text.

    Parameters
    ----------
    hidden
        Rendering modes whose text is omitted. The pictures of a page are known only at the page's end, so a
        first run reads text of all modes.
    """

    def __init__(self, page: PageObject, hidden: _HiddenModes = _HiddenModes()) -> None:
        self._source = page
        self._page = _get_page_bounds(page)
        left, bottom, right, top = self._page
        bounded = right - left < inf
        self._area = (right - left) * (top - bottom) if bounded else 0.0
        unscaled = bounded and "/UserUnit" not in page
        self._tiny = min(_TINY_POINTS, _TINY_SHARE * (top - bottom)) if unscaled else 0.0
        self._hidden = hidden
        self._found_modes: set[int] = set()
        self._resources: Any = page.get("/Resources")
        self._state = _Graphics()
        self._stack: list[_Graphics] = []
        self._outer_states: list[tuple[_Graphics, list[_Graphics], Any]] = []
        self._covered = 0.0
        self._pictures: list[_Box] = []
        self._is_clip_painted = False
        self._path: list[_Box] = []
        self._boxes: list[_Box] | None = []
        self._run = (0.0, 0.0, 0.0)
        self._scaled_fonts: dict[str, bool] = {}

    def read(self) -> str:
        """Return the text of the page without the omitted text."""
        # Only forms need the second visitor, which pypdf calls after each operator.
        after = self.visit_after if "/XObject" in self._to_dictionary(self._resources) else None
        return self._source.extract_text(
            visitor_operand_before=self.visit_before, visitor_operand_after=after
        )

    @property
    def hidden_modes(self) -> _HiddenModes:
        """Rendering modes whose text the page does not show."""
        modes = set()
        if _INVISIBLE in self._found_modes and self._covered < _SCAN_SHARE * self._area:
            modes.add(_INVISIBLE)
        if _CLIP in self._found_modes and not self._is_clip_painted:
            modes.add(_CLIP)
        return _HiddenModes(frozenset(modes), tuple(self._pictures))

    def visit_before(self, operator: bytes, operands: Any, cm: list[float], tm: list[float]) -> None:
        """Process an operator; clear its operands if the operator shows hidden text."""
        handle = _HANDLERS.get(operator)
        if handle is None:
            return
        try:
            handle(self, operands, cm, tm)
        except _MALFORMED:  # pypdf skips operators with such operands, too
            return

    def visit_after(self, operator: bytes, _operands: Any, _cm: list[float], _tm: list[float]) -> None:
        """Restore the state after a form."""
        if operator == b"Do" and self._outer_states:
            self._state, self._stack, self._resources = self._outer_states.pop()

    def save(self, _operands: Any, _cm: list[float], _tm: list[float]) -> None:
        """Save the graphics state (operator ``q``)."""
        self._stack.append(self._state.copy())

    def restore(self, _operands: Any, _cm: list[float], _tm: list[float]) -> None:
        """Restore the graphics state (``Q``)."""
        if self._stack:
            self._state = self._stack.pop()

    def set_mode(self, operands: Any, _cm: list[float], _tm: list[float]) -> None:
        """Set the rendering mode of text (``Tr``)."""
        self._state.mode = int(operands[0])

    def set_font(self, operands: Any, _cm: list[float], _tm: list[float]) -> None:
        """Set the font (``Tf``). The size of a Type 3 font depends on its matrix."""
        name = operands[0]
        scaled = self._scaled_fonts.get(name) if not self._outer_states else True
        if scaled is None:
            font = self._get_resource("/Font", name)
            scaled = self._scaled_fonts[name] = font is None or font.get("/Subtype") == "/Type3"
        self._state.size, self._state.scaled_font = float(operands[1]), scaled

    def set_line(self, operands: Any, _cm: list[float], _tm: list[float]) -> None:
        """Set the line width (``w``)."""
        self._state.line = float(operands[0])

    def set_colour(self, operands: Any, _cm: list[float], _tm: list[float]) -> None:
        """Set the fill colour in grey, RGB or CMYK (``g``, ``rg``, ``k``)."""
        values = [float(operand) for operand in operands]
        ink = len(values) == len("CMYK")
        white = max(values) <= 1 - _WHITE if ink else min(values) >= _WHITE
        self._state.white = white

    def set_space(self, operands: Any, _cm: list[float], _tm: list[float]) -> None:
        """Set the colour space of fills (``cs``)."""
        space = self._get_resource("/ColorSpace", operands[0])
        family = str(space[0]) if isinstance(space, list) and space else str(operands[0])
        self._state.space, self._state.white = family, False

    def set_colour_in_space(self, operands: Any, cm: list[float], tm: list[float]) -> None:
        """Set the fill colour in the current space (``sc``, ``scn``).

        The colour counts as not white if the space is a pattern or has named inks.
        """
        if self._state.space.startswith(("/Device", "/Cal", "/ICCBased")) and self._state.space != "/DeviceN":
            self.set_colour(operands, cm, tm)
        else:
            self._state.white = False

    def set_state(self, operands: Any, _cm: list[float], _tm: list[float]) -> None:
        """Set the opacity of fills from a parameter dictionary (``gs``)."""
        state = self._get_resource("/ExtGState", operands[0])
        if state is not None and "/ca" in state:
            self._state.opacity = float(state["/ca"])

    def add_box(self, operands: Any, cm: list[float], _tm: list[float]) -> None:
        """Add a rectangle to the path (``re``)."""
        x, y, width, height = (float(operand) for operand in operands)
        self._path.append(_calculate_bounds(x, y, x + width, y + height, cm))

    def add_shape(self, _operands: Any, _cm: list[float], _tm: list[float]) -> None:
        """Begin a path of any shape (``m``); it counts as the whole page."""
        self._path = [_EVERYWHERE]

    def fill(self, _operands: Any, _cm: list[float], _tm: list[float]) -> None:
        """Fill the path (``f``, ``B``, ``b`` and their variants)."""
        self._is_clip_painted = self._is_clip_painted or _CLIP in self._found_modes
        if not self._state.white:
            self._paint(self._path)
        self._path = []

    def draw_stroke(self, _operands: Any, cm: list[float], _tm: list[float]) -> None:
        """Stroke the path (``S``, ``s``); wide lines count as the whole page."""
        if self._state.line * max(hypot(cm[0], cm[1]), hypot(cm[2], cm[3])) > _WIDE_LINE:
            self._paint([_EVERYWHERE])
        self._path = []

    def end_path(self, _operands: Any, _cm: list[float], _tm: list[float]) -> None:
        """Discard the path (``n``)."""
        self._path = []

    def draw_shading(self, _operands: Any, _cm: list[float], _tm: list[float]) -> None:
        """Fill the clipped part of the page (``sh``)."""
        self._is_clip_painted = self._is_clip_painted or _CLIP in self._found_modes
        self._paint([_EVERYWHERE])

    def draw_picture(self, _operands: Any, cm: list[float], _tm: list[float]) -> None:
        """Draw a picture (``Do`` or an inline image)."""
        self._is_clip_painted = self._is_clip_painted or _CLIP in self._found_modes
        many = self._outer_states or len(self._pictures) == _MAX_BOXES
        self._covered += inf if many else abs(cm[0] * cm[3] - cm[1] * cm[2])
        if not many:
            self._pictures.append(_calculate_bounds(0.0, 0.0, 1.0, 1.0, cm))
        self._paint([_calculate_bounds(0.0, 0.0, 1.0, 1.0, cm)])

    def draw(self, operands: Any, cm: list[float], tm: list[float]) -> None:
        """Draw a picture, or enter a form (``Do``)."""
        drawn = self._get_resource("/XObject", operands[0])
        if drawn is not None and drawn.get("/Subtype") == "/Image":
            self.draw_picture(operands, cm, tm)
        else:
            self.draw_shading(operands, cm, tm)
        if drawn is None and not self._outer_states:
            return
        self._outer_states.append((self._state, self._stack, self._resources))
        self._state, self._stack = self._state.copy(), []
        if drawn is not None and drawn.get("/Subtype") == "/Form":
            self._resources = drawn.get("/Resources")
            if not _MAY_ADD_TEXT.search(drawn.get_data()):
                operands[:] = [NameObject("/")]  # otherwise pypdf parses the form because there is a visitor

    def show(self, operands: Any, cm: list[float], tm: list[float]) -> None:
        """Clear the operands of ``Tj``, ``TJ``, ``'`` or ``"`` if the text is hidden."""
        if self._state.mode in (_INVISIBLE, _CLIP):
            self._found_modes.add(self._state.mode)
        if self._is_hidden(operands, cm, tm):
            operands.clear()

    def _is_hidden(self, operands: Any, cm: list[float], tm: list[float]) -> bool:
        state = self._state
        if state.opacity < _FAINT and state.mode in _FILLED_MODES:
            return True
        if self._outer_states:
            pictures = self._hidden.pictures if state.mode == _INVISIBLE else ()
            return state.mode in self._hidden.modes and not pictures
        a, b = tm[0] * cm[0] + tm[1] * cm[2], tm[0] * cm[1] + tm[1] * cm[3]
        c, d = tm[2] * cm[0] + tm[3] * cm[2], tm[2] * cm[1] + tm[3] * cm[3]
        width, height = abs(state.size) * hypot(a, b), abs(state.size) * hypot(c, d)
        upright = a > 0 and abs(b) < a / 100
        x, y = tm[4] * cm[0] + tm[5] * cm[2] + cm[4], tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
        box = self._transform_box(operands, x, y, width, height, upright=upright)
        if state.mode in self._hidden.modes:
            pictures = self._hidden.pictures if state.mode == _INVISIBLE else ()
            return not any(_is_touching(box, picture) for picture in pictures)
        if not state.scaled_font and (min(width, height) < self._tiny or not _is_touching(box, self._page)):
            return True
        white = state.white and state.mode in _FILLED_MODES and self._boxes is not None
        return white and not any(_is_touching(box, filled_box) for filled_box in self._boxes or ())

    def _transform_box(
        self, operands: Any, x: float, y: float, width: float, height: float, *, upright: bool
    ) -> _Box:
        """Return bounds of a text; they are wider than the text, because glyph widths are unknown."""
        back, length = _calculate_extent(operands)
        if self._run[0] == x and self._run[1] == y:
            length += self._run[2]
        self._run = (x, y, length)
        reach = 2 * height  # the operators ' and " begin a new line
        if upright:
            return x - width * back, y - reach, x + 1.5 * width * length, y + reach
        far = 1.5 * max(width, height) * (length + back + 2)
        return x - far, y - far, x + far, y + far

    def _paint(self, boxes: list[_Box]) -> None:
        """Record painted boxes, on which white text is visible."""
        if self._boxes is None:
            return
        if self._outer_states or len(self._boxes) + len(boxes) > _MAX_BOXES:
            self._boxes = None
        else:
            self._boxes += boxes

    @staticmethod
    def _to_dictionary(value: Any) -> DictionaryObject:
        """Return a dictionary of the file; a damaged dictionary becomes an empty one."""
        resolved = None if value is None else value.get_object()
        return resolved if isinstance(resolved, DictionaryObject) else DictionaryObject()

    def _get_resource(self, kind: str, name: Any) -> Any:
        named = self._to_dictionary(self._to_dictionary(self._resources).get(kind))
        resource = named.get(name)
        return None if resource is None else resource.get_object()


def _get_page_bounds(page: PageObject) -> _Box:
    """Return the bounds of a page; infinite if damaged, because viewers then use a default size."""
    try:
        box = page.mediabox
        bounds = _calculate_bounds(
            float(box.left), float(box.bottom), float(box.right), float(box.top), [1, 0, 0, 1, 0, 0]
        )
    except _MALFORMED:
        return _EVERYWHERE
    return bounds if bounds[0] < bounds[2] and bounds[1] < bounds[3] else _EVERYWHERE


def _calculate_bounds(left: float, bottom: float, right: float, top: float, cm: list[float]) -> _Box:
    """Return the bounds of a box on the page."""
    points = [
        (x * cm[0] + y * cm[2] + cm[4], x * cm[1] + y * cm[3] + cm[5])
        for x in (left, right)
        for y in (bottom, top)
    ]
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _is_touching(one: _Box, other: _Box) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _calculate_extent(operands: Any) -> tuple[float, float]:
    """Return upper bounds of a text's width to the left and right, in font sizes.

    A byte counts as one font size; the offsets between the bytes are added.
    """
    shown = operands[-1] if operands else ""
    if isinstance(shown, (str, bytes)):
        return 0.0, len(shown)
    back = length = 0.0
    for item in shown:
        if isinstance(item, (str, bytes)):
            length += len(item)
        elif item > 0:
            back += item / 1000
        else:
            length -= item / 1000
    return float(back), float(length)


_Handler = Callable[[_Visitor, Any, list[float], list[float]], None]
_HANDLERS: dict[bytes, _Handler] = {
    b"q": _Visitor.save,
    b"Q": _Visitor.restore,
    b"Tr": _Visitor.set_mode,
    b"Tf": _Visitor.set_font,
    b"w": _Visitor.set_line,
    b"cs": _Visitor.set_space,
    b"gs": _Visitor.set_state,
    b"re": _Visitor.add_box,
    b"m": _Visitor.add_shape,
    b"n": _Visitor.end_path,
    b"sh": _Visitor.draw_shading,
    b"Do": _Visitor.draw,
    b"INLINE IMAGE": _Visitor.draw_picture,
    **dict.fromkeys((b"g", b"rg", b"k"), _Visitor.set_colour),
    **dict.fromkeys((b"sc", b"scn"), _Visitor.set_colour_in_space),
    **dict.fromkeys((b"f", b"F", b"f*", b"B", b"B*", b"b", b"b*"), _Visitor.fill),
    **dict.fromkeys((b"S", b"s"), _Visitor.draw_stroke),
    **dict.fromkeys((b"Tj", b"TJ", b"'", b'"'), _Visitor.show),
}
