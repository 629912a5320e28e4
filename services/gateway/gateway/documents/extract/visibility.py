"""Text of HTML that people do not see as the page opens: it is taken out, so that it is not indexed.

Style sheets are read in the order of the page, without specificity. Rules in at-rules (``@media``) are not
read, and neither are sheets elsewhere. Colours and positions are not compared, so white text on white stays.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import tinycss2
from selectolax.lexbor import LexborHTMLParser, SelectolaxError

__all__ = ["remove_hidden"]

RULES = 1000
"""Most rules about visibility that are applied; each is looked for in the whole page."""

_SIZES = ("height", "max-height", "width", "max-width")
_PROPERTIES = {"display", "visibility", "opacity", "font-size", "overflow", "mso-hide", *_SIZES}
_NOT_SHOWN = "[hidden]:not([hidden='until-found']), dialog:not([open])"
_RELATIVE_UNITS = frozenset({"em", "%", "ex", "ch"})

_Style = dict[str, str]


@dataclass(frozen=True, slots=True)
class _State:
    """How far an element is shown: ``gone`` holds for all in it, the others until something in it differs."""

    gone: bool = False
    invisible: bool = False
    tiny: bool = False


def remove_hidden(tree: LexborHTMLParser) -> None:
    """Remove the text that is not seen from a parsed page, before its ``style`` elements are removed."""
    if tree.body is None:
        return
    styles = _styles(tree)
    for node in tree.css(_NOT_SHOWN):
        styles.setdefault(node.mem_id, {})["display"] = "none"
    if not styles:
        return
    states: dict[int, _State] = {}
    hidden = []
    for node in tree.root.traverse(include_text=True) if tree.root else ():
        above = states.get(node.parent.mem_id, _State()) if node.parent else _State()
        if node.tag == "-text":
            if above.gone or above.invisible or above.tiny:
                hidden.append(node)
        else:
            style = styles.get(node.mem_id)
            states[node.mem_id] = _state(above, style) if style else above
    for node in hidden:
        node.remove()


def _styles(tree: LexborHTMLParser) -> dict[int, _Style]:
    """Return what is said of the visibility of elements, by their id in memory."""
    styles: dict[int, _Style] = {}
    rules = 0
    for sheet in tree.css("style"):
        for selector, declared in _rules(sheet.text()):
            rules += 1
            if rules > RULES:
                break
            for node in _select(tree, selector):
                styles.setdefault(node.mem_id, {}).update(declared)
    for node in tree.css("[style]"):
        if declared := _declared(tinycss2.parse_blocks_contents(node.attributes.get("style") or "")):
            styles.setdefault(node.mem_id, {}).update(declared)
    return styles


def _rules(sheet: str) -> Iterator[tuple[str, _Style]]:
    for rule in tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True):
        if rule.type == "qualified-rule" and (
            declared := _declared(tinycss2.parse_blocks_contents(rule.content))
        ):
            yield tinycss2.serialize(rule.prelude).strip(), declared


def _declared(items: list[Any]) -> _Style:
    """Return the declarations that matter, as text in small letters."""
    declared: _Style = {}
    for item in items:
        if item.type == "declaration" and item.lower_name in _PROPERTIES:
            value = [each for each in item.value if each.type != "comment"]
            declared[item.lower_name] = tinycss2.serialize(value).strip().lower()
    return declared


def _select(tree: LexborHTMLParser, selector: str) -> list[Any]:
    try:
        return tree.css(selector)
    except SelectolaxError:  # a pseudo-element, or a mistake: a browser leaves such a rule out, too
        return []


def _state(above: _State, style: _Style) -> _State:
    """Return the state of an element from that of the one around it and its own style."""
    state = above
    if _is_gone(style):
        state = replace(state, gone=True)
    if visibility := style.get("visibility"):
        state = replace(state, invisible=visibility in ("hidden", "collapse"))
    if (size := style.get("font-size")) and not (above.tiny and _is_relative(size)):
        state = replace(state, tiny=_is_zero(size))
    return state


def _is_gone(style: _Style) -> bool:
    empty = any(_is_zero(style.get(each, "")) for each in _SIZES)
    return (
        style.get("display") == "none"
        or style.get("mso-hide") == "all"
        or _is_zero(style.get("opacity", ""))
        or (empty and style.get("overflow") in ("hidden", "clip"))
    )


def _is_zero(value: str) -> bool:
    token = tinycss2.parse_one_component_value(value)
    return token.type in ("number", "dimension", "percentage") and token.value == 0


def _is_relative(value: str) -> bool:
    token = tinycss2.parse_one_component_value(value)
    return (
        token.type == "percentage"
        or (token.type == "dimension" and token.lower_unit in _RELATIVE_UNITS)
        or value in ("inherit", "larger", "smaller")
    )
