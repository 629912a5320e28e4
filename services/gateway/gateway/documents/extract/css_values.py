"""Parsing of CSS values to numbers. A value that cannot be computed without a layout is None."""

from functools import lru_cache
from math import hypot
from typing import Any

import tinycss2
from tinycss2 import color5

from .css_math import evaluate, split_at_commas

__all__ = [
    "is_clipped_away",
    "is_scaled_to_nothing",
    "parse_alpha",
    "parse_font_size",
    "parse_offset",
    "parse_pixels",
    "resolve_variables",
]

_CACHE_SIZE = 4096
_PIXELS = {
    "px": 1.0,
    "pt": 4 / 3,
    "pc": 16.0,
    "in": 96.0,
    "cm": 37.8,
    "mm": 3.78,
    "q": 0.945,
    "ex": 8.0,
    "ch": 8.0,
}
_RELATIVE_PIXELS = 0.5
"""Assumed pixels of ``%``, ``vw`` and ``vh``: few, because carousels move content by several widths."""

_FONT_SIZES = {"xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": 16.0, "large": 18.0}
_DEFAULT_FONT_SIZE = 16.0
_SMALL_SCALE = 0.05
_MAX_NESTED_VARIABLES = 8
_MAX_VALUE_CHARACTERS = 2000
"""Maximum length of a resolved value: a few properties that repeat each other twice would fill all memory."""


def _parse_tokens(value: str) -> list[Any]:
    return [
        token
        for token in tinycss2.parse_component_value_list(value, skip_comments=True)
        if token.type != "whitespace"
    ]


def _parse_number(
    token: Any, em: float = _DEFAULT_FONT_SIZE, rem: float = _DEFAULT_FONT_SIZE
) -> float | None:
    if token.type == "function":
        return evaluate(token, lambda inner: _parse_known_number(inner, em, rem))
    if token.type == "number":
        return float(token.value)
    if token.type == "percentage":
        return float(token.value) * _RELATIVE_PIXELS
    if token.type != "dimension":
        return None
    if token.lower_unit in ("em", "rem"):
        return float(token.value) * (em if token.lower_unit == "em" else rem)
    return float(token.value) * _PIXELS.get(token.lower_unit, _RELATIVE_PIXELS)


def _parse_known_number(token: Any, em: float, rem: float) -> float | None:
    """Return an operand as a number; None if it depends on the layout."""
    if token.type == "percentage" or (
        token.type == "dimension" and token.lower_unit not in (*_PIXELS, "em", "rem")
    ):
        return 0.0 if token.value == 0 else None
    return _parse_number(token, em, rem)


@lru_cache(_CACHE_SIZE)
def parse_pixels(value: str, em: float = _DEFAULT_FONT_SIZE) -> tuple[float, ...]:
    """Return the lengths in a value in approximate pixels; empty if a part of the value is not a length."""
    numbers = [_parse_number(token, em) for token in _parse_tokens(value)]
    return tuple(number for number in numbers if number is not None) if None not in numbers else ()


@lru_cache(_CACHE_SIZE)
def parse_font_size(value: str, parent: float, root: float) -> float:
    """Return the pixels of a ``font-size`` or ``font``; the default size if they cannot be computed."""
    for token in _parse_tokens(value):
        if token.type == "percentage":
            return float(token.value) / 100 * parent
        if token.type in ("dimension", "function") or (token.type == "number" and token.value == 0):
            size = _parse_number(token, parent, root)
            return _DEFAULT_FONT_SIZE if size is None else size
        if token.type == "ident" and token.lower_value in _FONT_SIZES:
            return _FONT_SIZES[token.lower_value]
        if token.type == "ident" and token.lower_value in ("inherit", "unset", "smaller", "larger"):
            return parent
    return _DEFAULT_FONT_SIZE


@lru_cache(_CACHE_SIZE)
def parse_alpha(value: str) -> float | None:
    """Return the opacity of a colour or of an ``opacity``, from 0 to 1; None if the value is neither."""
    try:
        token = tinycss2.parse_one_component_value(value)
        if token.type in ("number", "percentage"):
            return float(token.value) / (100 if token.type == "percentage" else 1)
        if token.type == "function" and token.lower_name == "color-mix":
            return _calculate_mixed_alpha(token)
        if token.type == "function" and (number := _parse_number(token)) is not None:
            return number
        colour = color5.parse_color(value)
    except (ValueError, TypeError):  # a function with invalid arguments
        return None
    return None if colour is None or isinstance(colour, str) else float(colour.alpha)


def _calculate_mixed_alpha(mix: Any) -> float | None:
    """Return the opacity of a ``color-mix()`` of two colours; None if a colour is unknown."""
    _, *colours = split_at_commas(mix.arguments)
    alphas = [
        parse_alpha(tinycss2.serialize([t for t in colour if t.type != "percentage"])) for colour in colours
    ]
    if len(colours) != 2 or alphas[0] is None or alphas[1] is None:
        return None
    given = [next((float(t.value) for t in colour if t.type == "percentage"), None) for colour in colours]
    second = given[1] if given[1] is not None else 50.0 if given[0] is None else 100 - given[0]
    first = 100 - second if given[0] is None else given[0]
    return (alphas[0] * first + alphas[1] * second) / max(first + second, 100.0)


def _parse_arguments(function: Any) -> list[float]:
    return [
        number
        for token in function.arguments
        if token.type != "whitespace" and (number := _parse_number(token)) is not None
    ]


@lru_cache(_CACHE_SIZE)
def is_clipped_away(value: str) -> bool:
    """Return True if a ``clip`` or ``clip-path`` leaves at most a pixel."""
    tokens = _parse_tokens(value)
    if not tokens or tokens[0].type != "function":
        return False
    shape = tokens[0]
    arguments = [
        item for item in shape.arguments if item.type not in ("whitespace", "comment") and item != ","
    ]
    end = next((i for i, token in enumerate(arguments) if token.type == "ident"), len(arguments))
    sizes = [_parse_number(token) for token in arguments[:end]]
    lengths = [size for size in sizes if size is not None]
    if not lengths or len(lengths) < len(sizes):
        return False
    if shape.lower_name == "rect" and len(lengths) == len(("top", "right", "bottom", "left")):
        return lengths[1] - lengths[3] <= 1 or lengths[2] - lengths[0] <= 1
    if shape.lower_name == "inset":
        return _has_meeting_insets(arguments[:end])
    if shape.lower_name in ("circle", "ellipse"):
        return min(lengths) <= 0
    return shape.lower_name == "polygon" and not any(lengths)


def _has_meeting_insets(tokens: list[Any]) -> bool:
    """Return True if the insets from two opposite edges meet."""
    if not all(token.type == "percentage" or token.value == 0 for token in tokens):
        return False
    top, *rest = (float(token.value) for token in tokens[:4])
    right = rest[0] if rest else top
    bottom = rest[1] if len(rest) > 1 else top
    left = rest[2] if len(rest) > 2 else right
    return top + bottom >= 100 or left + right >= 100


@lru_cache(_CACHE_SIZE)
def parse_offset(value: str) -> tuple[float, float]:
    """Return the offset of a ``transform`` or ``translate`` in pixels, to the right and down."""
    x = y = 0.0
    tokens = _parse_tokens(value)
    if tokens and tokens[0].type != "function":  # the property translate
        lengths = parse_pixels(value)
        return (lengths[0] if lengths else 0.0), (lengths[1] if len(lengths) > 1 else 0.0)
    for token in tokens:
        if token.type != "function":
            continue
        numbers = _parse_arguments(token)
        match token.lower_name:
            case "translate" | "translate3d" | "translatex" if numbers:
                x += numbers[0]
                y += numbers[1] if len(numbers) > 1 else 0.0
            case "translatey" if numbers:
                y += numbers[0]
            case "matrix" if len(numbers) == 6:
                x, y = x + numbers[4], y + numbers[5]
    return x, y


@lru_cache(_CACHE_SIZE)
def is_scaled_to_nothing(value: str) -> bool:
    """Return True if a ``transform`` or ``scale`` shrinks an element to a line or a point."""
    for token in _parse_tokens(value):
        if token.type in ("number", "percentage"):  # the property scale
            if abs(token.value) <= _SMALL_SCALE * (100 if token.type == "percentage" else 1):
                return True
        elif token.type == "function":
            numbers = [
                float(argument.value)
                for argument in token.arguments
                if argument.type in ("number", "percentage")
            ]
            if token.lower_name in ("scale", "scalex", "scaley", "scale3d"):
                if any(abs(number) <= _SMALL_SCALE for number in numbers[:2]):
                    return True
            elif (
                token.lower_name == "matrix"
                and len(numbers) == 6
                and min(hypot(*numbers[:2]), hypot(*numbers[2:4])) <= _SMALL_SCALE
            ):
                return True
    return False


def resolve_variables(value: str, variables: dict[str, str], depth: int = 0) -> str | None:
    """Return a value with its ``var()`` references resolved; None if a referenced property is missing."""
    if "var(" not in value:
        return value
    parts: list[str] = []
    for token in tinycss2.parse_component_value_list(value, skip_comments=True):
        part = _substitute(token, variables, depth)
        if part is None or sum(map(len, parts)) > _MAX_VALUE_CHARACTERS:
            return None
        parts.append(part)
    return "".join(parts).strip()


def _substitute(token: Any, variables: dict[str, str], depth: int) -> str | None:
    if depth > _MAX_NESTED_VARIABLES:
        return None
    if token.type != "function":
        return str(tinycss2.serialize([token]))
    inner = tinycss2.serialize(token.arguments)
    if token.lower_name != "var":
        filled = resolve_variables(inner, variables, depth + 1)
        return None if filled is None else f"{token.lower_name}({filled})"
    name, comma, fallback = inner.partition(",")
    named = variables.get(name.strip())
    if named is not None:
        return resolve_variables(named, variables, depth + 1)
    return resolve_variables(fallback.strip(), variables, depth + 1) if comma else None
