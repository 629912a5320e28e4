"""CSS cascade of a page's style sheets: the declarations that may hide text, by element.

Rules are ranked by importance, layer, specificity and order. External sheets (``link``, ``@import``) are not
read.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import tinycss2
from selectolax.lexbor import LexborHTMLParser, SelectolaxError

from .css_conditions import ALL, UNKNOWN, evaluate_media, evaluate_supports

__all__ = ["Cascade", "Style"]

MAX_SELECTORS = 1000
"""Maximum number of selectors that are applied; each is searched in the whole page."""

_MAX_DEPTH = 20
_NOT_SHOWN = "[hidden]:not([hidden='until-found' i]), dialog:not([open])"

_SIZES = ("height", "max-height", "width", "max-width")
_PADDINGS = ("padding-top", "padding-bottom", "padding-left", "padding-right", "padding")
_ROOM = ("min-height", "min-width", "flex", "flex-grow", "flex-basis", "aspect-ratio")
_BOX = ("display", "float", "position")
_PLACES = ("left", "top", "right", "bottom", "inset", "margin-left", "margin-top", "margin", "text-indent")
_ALIASES = {
    "font": "font-size",
    "overflow-x": "overflow",
    "overflow-y": "overflow",
    "overflow-inline": "overflow",
    "overflow-block": "overflow",
    "block-size": "height",
    "max-block-size": "max-height",
    "min-block-size": "min-height",
    "inline-size": "width",
    "max-inline-size": "max-width",
    "min-inline-size": "min-width",
    "inset-inline-start": "left",
    "inset-inline-end": "right",
    "inset-block-start": "top",
    "inset-block-end": "bottom",
    "margin-inline-start": "margin-left",
    "margin-block-start": "margin-top",
    "animation": "animation-name",
    "-webkit-animation": "animation-name",
    "-webkit-animation-name": "animation-name",
    "-webkit-transform": "transform",
    "-ms-transform": "transform",
    "-webkit-clip-path": "clip-path",
    "-webkit-background-clip": "background-clip",
    "-webkit-text-stroke": "text-shadow",
    "-webkit-text-stroke-width": "text-shadow",
    "-webkit-text-stroke-color": "text-shadow",
}
_SMALL = r"(?<![\d.])(?:0*[01](?!\d)|0*\.\d|\d%)|e-|calc\(|min\(|max\(|clamp\("
_KEYWORDS = {
    "display": frozenset(
        {
            "none", "contents", "block", "inline", "run-in", "flow", "flow-root", "table", "flex", "grid",
            "ruby", "list-item", "inline-block", "inline-table", "inline-flex", "inline-grid", "math",
            "table-row-group", "table-header-group", "table-footer-group", "table-row", "table-cell",
            "table-column-group", "table-column", "table-caption", "ruby-base", "ruby-text", "grid-lanes",
            "inline-grid-lanes", "ruby-base-container", "ruby-text-container", "-webkit-box", "-ms-flexbox",
            "-webkit-inline-box", "-webkit-flex", "-webkit-inline-flex", "-ms-inline-flexbox", "-ms-grid",
            "-ms-inline-grid", "-moz-box", "-moz-inline-box",
        }
    ),
    "visibility": frozenset({"visible", "hidden", "collapse"}),
    "content-visibility": frozenset({"visible", "hidden", "auto"}),
}  # fmt: skip
"""Properties whose values are only keywords: a browser ignores a declaration with another word."""
_FOR_ALL = frozenset({"initial", "inherit", "unset", "revert", "revert-layer"})


class _Group(NamedTuple):
    """Properties that hide text together; read only if a property in ``hiding`` has a matching value."""

    hiding: tuple[str, ...]
    value: re.Pattern[str]
    others: tuple[str, ...] = ()


def _build_group(hiding: Iterable[str], value: str, *others: str) -> _Group:
    return _Group(tuple(hiding), re.compile(value), others)


_GROUPS = (
    _build_group(["display"], "none"),
    _build_group(["visibility"], "hidden|collapse"),
    _build_group(["content-visibility"], "hidden"),
    _build_group(["mso-hide"], "all"),
    _build_group(["opacity", "filter"], _SMALL),
    _build_group(["font-size"], _SMALL),
    _build_group(
        ["color", "-webkit-text-fill-color"],
        r"transparent|\(|#(?:...0|......[01].)\b",
        "background-clip",
        "background",
        "text-shadow",
    ),
    _build_group(_SIZES, _SMALL, "overflow", *_PADDINGS, *_ROOM, *_BOX),
    _build_group([*_PLACES, "transform", "translate"], r"\d{3}|e\d", "padding-left", "padding", *_BOX),
    _build_group(["text-indent"], "100%", "white-space", "overflow", *_BOX),
    _build_group(["transform", "scale"], _SMALL, *_BOX),
    _build_group(["clip"], r"rect\(", "position"),
    _build_group(["clip-path"], r"\("),
)
_ANIMATED = ("animation-name",)
_PROPERTIES = {name for group in _GROUPS for name in (*group.hiding, *group.others)} | set(_ANIMATED)

Style = dict[str, str]


class _Declaration(NamedTuple):
    name: str
    value: str
    important: bool


class _Rule(NamedTuple):
    """Declarations that apply to the elements of a selector in the browsers of the mask ``browsers``."""

    selector: str
    declarations: list[_Declaration]
    browsers: int
    layered: bool


class _Applied(NamedTuple):
    """Rule that applies to an element; the highest rank wins."""

    rank: tuple[bool, bool, bool, tuple[int, int, int], int]
    browsers: int
    declarations: list[_Declaration]


@dataclass(slots=True)
class Cascade:
    """Styles of the elements of a page.

    Attributes
    ----------
    keyframes
        Names of the animations that the page defines.
    """

    keyframes: set[str] = field(default_factory=set)
    _applied: dict[int, list[_Applied]] = field(default_factory=dict)

    @classmethod
    def read(cls, tree: LexborHTMLParser) -> "Cascade":
        """Return the styles from the sheets and attributes of a page, before its sheets are removed."""
        cascade = cls()
        rules = list(cascade._read_sheets(tree))
        attributes = [
            (node, declarations)
            for node in tree.css("[style]")
            if (
                declarations := _parse_declarations(
                    tinycss2.parse_blocks_contents(node.attributes.get("style") or "")
                )
            )
        ]
        not_shown = tree.css(_NOT_SHOWN)
        hidden = [_Declaration("display", "none", important=False)] if not_shown else []
        read = _read_properties(
            [
                hidden,
                *(rule.declarations for rule in rules),
                *(declarations for _, declarations in attributes),
            ]
        )
        for node in not_shown:
            cascade._add(node, (False, False, False, (0, 0, 0), 0), ALL, hidden)
        order = 0
        for rule in rules:
            declarations = [declaration for declaration in rule.declarations if read(declaration.name)]
            if not declarations:
                continue
            for specificity, nodes in _select_elements(tree, rule.selector):
                order += 1
                if order > MAX_SELECTORS:
                    break
                for node in nodes:
                    rank = (True, False, not rule.layered, specificity, order)
                    cascade._add(node, rank, rule.browsers, declarations)
        for node, declarations in attributes:
            rank = (True, True, True, (0, 0, 0), 0)
            cascade._add(
                node, rank, ALL, [declaration for declaration in declarations if read(declaration.name)]
            )
        for applied in cascade._applied.values():
            applied.sort(key=lambda rule: rule.rank)
        return cascade

    def __bool__(self) -> bool:
        return bool(self._applied)

    @property
    def is_conditional(self) -> bool:
        """True if a rule applies only in some of the browsers."""
        return any(rule.browsers != ALL for applied in self._applied.values() for rule in applied)

    def get_style(self, node: Any, browser: int) -> Style:
        """Return the declarations of an element in a browser."""
        applied = self._applied.get(node.mem_id)
        if not applied:
            return {}
        style: Style = {}
        for important in (False, True):
            for rule in applied:
                if rule.browsers >> browser & 1:
                    style.update({d.name: d.value for d in rule.declarations if d.important is important})
        return style

    def _add(self, node: Any, rank: Any, browsers: int, declarations: list[_Declaration]) -> None:
        if declarations:
            self._applied.setdefault(node.mem_id, []).append(_Applied(rank, browsers, declarations))

    def _read_sheets(self, tree: LexborHTMLParser) -> Iterator[_Rule]:
        for sheet in tree.css("style"):
            if sheet.parent and sheet.parent.tag in ("noscript", "template"):
                continue
            browsers = evaluate_media(
                tinycss2.parse_component_value_list(sheet.attributes.get("media") or "")
            )
            items = tinycss2.parse_stylesheet(sheet.text(), skip_comments=True, skip_whitespace=True)
            if browsers:
                yield from self._iter_rules(items, "", browsers, layered=False)

    def _iter_rules(
        self, items: list[Any], parent: str, browsers: int, *, layered: bool, depth: int = 0
    ) -> Iterator[_Rule]:
        """Yield the rules of a sheet or of a block in it; ``parent`` is the selector around the block."""
        if depth > _MAX_DEPTH:
            return
        if parent and (declarations := _parse_declarations(items)):
            yield _Rule(parent, declarations, browsers, layered)
        for item in items:
            if item.type == "qualified-rule":
                selector = _resolve_nesting(tinycss2.serialize(item.prelude).strip(), parent)
                content = tinycss2.parse_blocks_contents(item.content)
                yield from self._iter_rules(content, selector, browsers, layered=layered, depth=depth + 1)
            elif item.type == "at-rule" and item.content is not None:
                name = item.lower_at_keyword
                if name.endswith("keyframes"):
                    self.keyframes.add(tinycss2.serialize(item.prelude).strip(" \"'").lower())
                elif (read := _AT_RULES.get(name)) and (met := browsers & read(item.prelude)):
                    content = tinycss2.parse_blocks_contents(item.content)
                    inner = layered or name == "layer"
                    yield from self._iter_rules(content, parent, met, layered=inner, depth=depth + 1)


_AT_RULES: dict[str, Callable[[list[Any]], int]] = {
    "media": evaluate_media,
    "supports": evaluate_supports,
    "container": lambda _: UNKNOWN,
    "layer": lambda _: ALL,
}


def _resolve_nesting(selector: str, parent: str) -> str:
    if not parent:
        return selector
    inside = f":is({parent})"
    return selector.replace("&", inside) if "&" in selector else f"{inside} {selector}"


def _parse_declarations(items: list[Any]) -> list[_Declaration]:
    """Return the declarations that can hide text, in lower case except for custom properties."""
    declarations = []
    for item in items:
        if item.type != "declaration":
            continue
        custom = item.name.startswith("--")
        name = item.name if custom else _ALIASES.get(item.lower_name, item.lower_name)
        if not (custom or name in _PROPERTIES or name == "all"):
            continue
        value = tinycss2.serialize([token for token in item.value if token.type != "comment"]).strip()
        value = value if custom or "var(" in value else value.lower()
        if name in _KEYWORDS and "var(" not in value and set(value.split()) - _KEYWORDS[name] - _FOR_ALL:
            continue
        names = _PROPERTIES if name == "all" else (name,)
        declarations += [_Declaration(property_name, value, item.important) for property_name in names]
    return declarations


def _read_properties(declared: list[list[_Declaration]]) -> Callable[[str], bool]:
    """Return a predicate for property names: True if the property may hide text in this page.

    The filter saves time: most pages have hundreds of rules for sizes and colours that hide nothing.
    """
    values: dict[str, set[str]] = {}
    for declarations in declared:
        for declaration in declarations:
            values.setdefault(declaration.name, set()).add(declaration.value)
    read: set[str] = set()
    for group in _GROUPS:
        if any(
            group.value.search(value) or "var(" in value
            for name in group.hiding
            for value in values.get(name, ())
        ):
            read.update(group.hiding, group.others, _ANIMATED)
    variables = any("var(" in value for name in read for value in values.get(name, ()))
    return lambda name: name in read or (variables and name.startswith("--"))


def _select_elements(tree: LexborHTMLParser, selector: str) -> list[tuple[tuple[int, int, int], list[Any]]]:
    """Return the elements of each part of a selector, with the part's specificity."""
    elements = []
    for part in _split_selector(selector):
        text = tinycss2.serialize(part).strip()
        if _is_pseudo_element(part):
            continue  # a pseudo-element is a part of an element, not the element itself
        try:
            elements.append((_calculate_specificity(part), tree.css(text)))
        except SelectolaxError:  # a browser ignores an invalid rule
            return []
    return elements


def _split_selector(selector: str) -> list[list[Any]]:
    parts: list[list[Any]] = [[]]
    for item in tinycss2.parse_component_value_list(selector, skip_comments=True):
        if item == ",":
            parts.append([])
        else:
            parts[-1].append(item)
    return parts


def _is_pseudo_element(part: list[Any]) -> bool:
    colons = [index for index, item in enumerate(part) if item == ":"]
    return any(second - first == 1 for first, second in pairwise(colons)) or any(
        part[index + 1].type == "ident" and part[index + 1].lower_value in ("before", "after")
        for index in colons
        if index + 1 < len(part)
    )


def _calculate_specificity(tokens: list[Any]) -> tuple[int, int, int]:
    """Return a selector's specificity: its numbers of ids, of classes and attributes, and of types."""
    ids = classes = types = 0
    previous: Any = None
    for token in tokens:
        if token.type == "hash":
            ids += 1
        elif token.type == "[] block":
            classes += 1
        elif token.type == "ident":
            if previous in (".", ":"):
                classes += 1
            else:
                types += 1
        elif token.type == "function":
            if token.lower_name in ("is", "not", "has"):
                inner = max(map(_calculate_specificity, _split_selector(tinycss2.serialize(token.arguments))))
                ids, classes, types = ids + inner[0], classes + inner[1], types + inner[2]
            elif token.lower_name != "where":
                classes += 1
        previous = token
    return ids, classes, types
