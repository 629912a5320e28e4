"""Removal of text that an HTML page does not show when it opens, so that it is not indexed.

A text is hidden if no common browser shows it. If this cannot be decided without a layout, the text is kept.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import tinycss2
from selectolax.lexbor import LexborHTMLParser

from .css_cascade import Cascade, Style
from .css_conditions import BROWSERS
from .css_values import (
    is_clipped_away,
    is_scaled_to_nothing,
    parse_alpha,
    parse_font_size,
    parse_offset,
    parse_pixels,
    resolve_variables,
)

__all__ = ["remove_hidden"]

_TINY_PIXELS = 1.0
_FAINT = 0.1
_OFF_SCREEN_PIXELS = -999.0
_CHARACTERS_PER_PIXEL = 0.1
"""Minimum number of characters per pixel. A text longer than its negative indent stays partly visible."""

_WIDTHS, _HEIGHTS = ("width", "max-width"), ("height", "max-height")
_INLINE_TAGS = frozenset(
    {"a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font"}
    | {"i", "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong"}
    | {"sub", "sup", "time", "tt", "u", "var"}
)
_CELLS = frozenset({"td", "th", "tr", "tbody", "thead", "tfoot", "table-cell", "table-row"})
_UNSET = frozenset({"initial", "unset", "revert", "revert-layer"})
_INITIAL_SIZE = 16.0


@dataclass(frozen=True, slots=True)
class _RenderState:
    """Visibility of an element.

    ``is_removed`` applies to all descendants of the element; they may override the other fields.
    """

    is_removed: bool = False
    clipped: bool = False
    contained: bool = False
    invisible: bool = False
    font: float = _INITIAL_SIZE
    root_font: float | None = None
    opacity: float = 1.0
    text_alpha: float = 1.0
    x: float = 0.0
    y: float = 0.0
    indent: float = 0.0
    block: tuple[float, float] = (0.0, 0.0)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def is_hidden(self) -> bool:
        return (
            self.is_removed
            or self.clipped
            or self.invisible
            or self.font <= _TINY_PIXELS
            or self.opacity < _FAINT
            or self.text_alpha < _FAINT
            or self.x + self.indent <= _OFF_SCREEN_PIXELS
            or self.y <= _OFF_SCREEN_PIXELS
        )


def remove_hidden(tree: LexborHTMLParser) -> None:
    """Remove hidden text from a parsed page, before its ``style`` elements are removed."""
    if tree.body is None or not (cascade := Cascade.read(tree)):
        return
    hidden = _find_hidden(tree, cascade, 0)
    for browser in range(1, BROWSERS if cascade.is_conditional else 1):
        if not hidden:
            return
        hidden = {
            node_id: node
            for node_id, node in _find_hidden(tree, cascade, browser).items()
            if node_id in hidden
        }
    for node in hidden.values():
        node.remove()


def _find_hidden(tree: LexborHTMLParser, cascade: Cascade, browser: int) -> dict[int, Any]:
    """Return the texts that a browser does not show, by node id."""
    states: dict[int, _RenderState] = {}
    hidden = {}
    for node in tree.root.traverse(include_text=True) if tree.root else ():
        above = states.get(node.parent.mem_id, _RenderState()) if node.parent else _RenderState()
        if node.tag == "-text":
            if above.is_hidden:
                hidden[node.mem_id] = node
        else:
            style = cascade.get_style(node, browser)
            states[node.mem_id] = _calculate_state(node, style, above, cascade.keyframes) if style else above
    return hidden


def _calculate_state(node: Any, declared: Style, above: _RenderState, keyframes: set[str]) -> _RenderState:
    """Return the state of an element from its parent's state and its style."""
    state, style = _resolve_style(declared, above)
    if size := style.get("font-size"):
        font = parse_font_size(size, above.font, above.root_font or _INITIAL_SIZE)
        state = replace(state, font=font, root_font=font if node.tag == "html" else above.root_font)
    if style.get("display") == "none" or style.get("mso-hide") == "all":
        return replace(state, is_removed=True)
    if keyframes and any(
        name in keyframes for name in style.get("animation-name", "").replace(",", " ").split()
    ):
        return state  # the animation may show the element
    return _apply_box(node, style, _apply_paint(style, state, above))


def _resolve_style(declared: Style, above: _RenderState) -> tuple[_RenderState, Style]:
    """Return the state with the custom properties of this element, and its style with ``var()`` resolved."""
    own = {name: value for name, value in declared.items() if name.startswith("--")}
    variables = above.variables
    if own:
        filled = {name: resolve_variables(value, variables | own) for name, value in own.items()}
        variables = variables | {name: value for name, value in filled.items() if value is not None}
        above = replace(above, variables=variables)
    style = {}
    for name, value in declared.items():
        resolved = resolve_variables(value, variables) if name not in own else None
        if resolved is not None:
            style[name] = resolved.lower()
    return above, style


def _apply_paint(style: Style, state: _RenderState, above: _RenderState) -> _RenderState:
    """Return the state with the element's visibility, opacity and colour."""
    if (visibility := style.get("visibility")) and visibility != "inherit":
        state = replace(state, invisible=visibility in ("hidden", "collapse"))
    if style.get("content-visibility") == "hidden" or is_clipped_away(style.get("clip-path", "")):
        state = replace(state, is_removed=True)
    for value in (style.get("opacity", ""), *_parse_opacity_filters(style.get("filter", ""))):
        opacity = parse_alpha(value)
        if opacity is not None:
            state = replace(state, opacity=state.opacity * opacity)
    colour = style.get("-webkit-text-fill-color") or style.get("color", "")
    text_alpha = 1.0 if colour in _UNSET else parse_alpha(colour)
    if colour and text_alpha is not None:
        painted = "text" in (
            style.get("background-clip", "") + " " + style.get("background", "")
        ).split() or (style.get("text-shadow", "none") != "none")
        state = replace(state, text_alpha=1.0 if painted else text_alpha)
    elif "text" in style.get("background-clip", "") or style.get("text-shadow", "none") != "none":
        state = replace(state, text_alpha=max(above.text_alpha, _FAINT))
    return state


def _parse_opacity_filters(value: str) -> list[str]:
    return [
        tinycss2.serialize(token.arguments).strip()
        for token in tinycss2.parse_component_value_list(value)
        if token.type == "function" and token.lower_name == "opacity"
    ]


def _apply_box(node: Any, style: Style, state: _RenderState) -> _RenderState:
    """Return the state with the size, position and clipping of the element's box."""
    position = style.get("position", "static")
    is_out_of_flow = position in ("absolute", "fixed")
    if is_out_of_flow and state.clipped and (position == "fixed" or not state.contained):
        state = replace(state, clipped=False)
    if is_out_of_flow and is_clipped_away(style.get("clip", "")):
        return replace(state, is_removed=True)
    inline = _is_inline(node.tag, style, is_out_of_flow=is_out_of_flow)
    if not inline and _is_scaled_to_nothing(style):
        return replace(state, is_removed=True)
    if not inline and _is_empty(node.tag, style):
        state = replace(state, clipped=True, contained=position != "static")
    return _apply_position(node, style, state, position, inline=inline)


def _is_inline(tag: str, style: Style, *, is_out_of_flow: bool) -> bool:
    """Return True if an element may be inline; sizes and transforms do not apply to inline elements."""
    if is_out_of_flow or style.get("float", "none") != "none":
        return False
    display = style.get("display")
    return display in ("inline", "contents") if display else tag in _INLINE_TAGS or "-" in tag


def _is_scaled_to_nothing(style: Style) -> bool:
    return is_scaled_to_nothing(style.get("transform", "")) or is_scaled_to_nothing(style.get("scale", ""))


def _is_empty(tag: str, style: Style) -> bool:
    """Return True if an element has no space for text and clips its overflow."""
    if not {"hidden", "clip", "auto", "scroll"} & set(style.get("overflow", "").split()):
        return False
    if style.get("display", tag) in _CELLS or tag in _CELLS:
        return False  # a table cell grows with its text
    if any(
        style.get(name, "0") not in ("0", "0px", "none", "auto")
        for name in ("flex", "flex-grow", "flex-basis")
    ):
        return False
    return any(
        any(_is_nothing(style.get(size, "")) for size in sizes)
        and not any(_has_length(style.get(name, "")) for name in room)
        for sizes, room in (
            (_WIDTHS, ("min-width", "aspect-ratio", "padding", "padding-left", "padding-right")),
            (_HEIGHTS, ("min-height", "aspect-ratio", "padding", "padding-top", "padding-bottom")),
        )
    )


def _is_nothing(value: str) -> bool:
    lengths = parse_pixels(value)
    return bool(lengths) and max(lengths) <= 1 and ("%" not in value or lengths[0] == 0)


def _has_length(value: str) -> bool:
    """Return True if a value may be more than a pixel."""
    return value not in ("", "auto", "normal", *_UNSET) and max(parse_pixels(value), default=2) > 1


def _apply_position(
    node: Any, style: Style, state: _RenderState, position: str, *, inline: bool
) -> _RenderState:
    """Return the state with the element's position, which may be left of the page or above it."""
    x, y = state.x, state.y
    left, top = _calculate_offset(style, "left", "right", 3), _calculate_offset(style, "top", "bottom", 0)
    if position == "fixed":
        x, y = left or 0.0, top or 0.0
    elif position == "absolute":
        x = x if left is None else state.block[0] + left
        y = y if top is None else state.block[1] + top
    elif position == "relative":
        x, y = x + (left or 0.0), y + (top or 0.0)
    x += _get_side(style, "margin", "left", 3) + _get_side(style, "padding", "left", 3)
    if not inline:
        y += _get_side(style, "margin", "top", 0)
        for name in ("transform", "translate"):
            dx, dy = parse_offset(style.get(name, ""))
            x, y = x + dx, y + dy
    indent = state.indent
    if (value := style.get("text-indent")) and value != "inherit":
        indent = 0.0 if inline else _calculate_indent(node, value)
        if value == "100%" and style.get("white-space") == "nowrap" and "overflow" in style and not inline:
            indent = _OFF_SCREEN_PIXELS - max(x, 0.0)
    block = state.block if position == "static" else (x, y)
    return replace(state, x=x, y=y, indent=indent, block=block)


def _calculate_offset(style: Style, start: str, end: str, number: int) -> float | None:
    """Return the offset of a positioned element from the start of its block; None if it is not declared."""
    lengths = parse_pixels(style.get(start) or _get_shorthand_value(style.get("inset", ""), number))
    if lengths:
        return lengths[0]
    opposite = parse_pixels(style.get(end, ""))
    # An offset from the opposite edge hides an element only if it exceeds the width of a page.
    return -opposite[0] if opposite and opposite[0] >= 3 * -_OFF_SCREEN_PIXELS else None


def _get_side(style: Style, name: str, side: str, number: int) -> float:
    lengths = parse_pixels(style.get(f"{name}-{side}") or _get_shorthand_value(style.get(name, ""), number))
    return lengths[0] if lengths else 0.0


def _get_shorthand_value(value: str, number: int) -> str:
    """Return the top (0) or left (3) value of a shorthand for four sides."""
    values = value.split() if "(" not in value else []
    if not values or number == 0:
        return values[0] if values else ""
    return values[min(number, len(values) - 1) if len(values) != 3 else 1]


def _calculate_indent(node: Any, value: str) -> float:
    """Return a negative indent; 0 unless all of an element's text is in the indented line."""
    lengths = parse_pixels(value)
    if not lengths or node.css_first("br") or len(node.text()) > -lengths[0] * _CHARACTERS_PER_PIXEL:
        return 0.0
    return lengths[0]
