"""Evaluation of CSS conditions (``@media``, ``@supports``) for several common browsers.

Each browser is a bit of a mask. A text is hidden if no browser shows it, so a rule for narrow windows alone
hides nothing. A condition that cannot be decided (a dark theme, a mouse) is true in half of the browsers.
"""

from collections.abc import Callable
from typing import Any

import tinycss2

__all__ = ["ALL", "BROWSERS", "UNKNOWN", "evaluate_media", "evaluate_supports"]

_SIZES = ((360, 780), (820, 1180), (1440, 900))
BROWSERS = 2 * len(_SIZES)
ALL = (1 << BROWSERS) - 1
UNKNOWN = ALL >> len(_SIZES)
"""Browsers in which an undecidable condition is true: half of them, one for each window size."""

_SCREENS = frozenset({"all", "screen"})
_PIXELS = {"px": 1.0, "em": 16.0, "rem": 16.0, "pt": 4 / 3, "in": 96.0, "cm": 37.8, "mm": 3.78}
_COMPARED = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
}
_MET = frozenset({"color", "scripting", "width", "height", "-webkit-min-device-pixel-ratio", "min-color"})
_SUPPORTED = frozenset(
    {"background", "background-color", "border", "color", "float", "font-size", "height", "left", "margin"}
    | {"max-width", "opacity", "overflow", "padding", "position", "top", "visibility", "width", "z-index"}
)
_DISPLAYS = frozenset(
    {"block", "inline", "inline-block", "flex", "inline-flex", "grid", "inline-grid", "none", "table"}
)


def evaluate_media(query: list[Any]) -> int:
    """Return the browsers that match a list of media queries."""
    parts = _split(query)
    if parts == [[]]:
        return ALL
    mask = 0
    for part in parts:
        negated = len(part) > 1 and _get_word(part[0]) == "not" and part[1].type == "ident"
        met = _evaluate(part[1:] if negated else part, _evaluate_media_feature)
        mask |= ALL ^ met if negated else met
    return mask


def evaluate_supports(condition: list[Any]) -> int:
    """Return the browsers that certainly or possibly support a feature."""
    return _evaluate(_drop_whitespace(condition), _evaluate_support)


def _drop_whitespace(tokens: list[Any]) -> list[Any]:
    return [token for token in tokens if token.type not in ("whitespace", "comment")]


def _get_word(token: Any) -> str:
    return str(token.lower_value) if token.type == "ident" else ""


def _split(tokens: list[Any]) -> list[list[Any]]:
    parts: list[list[Any]] = [[]]
    for item in _drop_whitespace(tokens):
        if item == ",":
            parts.append([])
        else:
            parts[-1].append(item)
    return parts


def _evaluate(tokens: list[Any], leaf: Callable[[list[Any]], int]) -> int:
    """Return the mask of conditions that are combined with ``and``, ``or`` and ``not``."""
    mask, either, negated = ALL, False, False
    for token in tokens:
        word = _get_word(token)
        if word in ("and", "or"):
            either = word == "or"
        elif word == "not":
            negated = True
        elif word != "only":
            met = _evaluate_condition(token, word, leaf)
            met = ALL ^ met if negated else met
            mask = mask | met if either else mask & met
            negated = False
    return mask


def _evaluate_condition(token: Any, word: str, leaf: Callable[[list[Any]], int]) -> int:
    if word:
        return ALL if word in _SCREENS else 0
    if token.type != "() block":
        return UNKNOWN
    inner = _drop_whitespace(token.content)
    if inner and (inner[0].type == "() block" or _get_word(inner[0]) == "not"):
        return _evaluate(inner, leaf)
    return leaf(inner)


def _evaluate_media_feature(tokens: list[Any]) -> int:
    """Return the browsers in which a media feature is true."""
    text = tinycss2.serialize(tokens).lower().replace(" ", "")
    name, colon, value = text.partition(":")
    if name in _MET:
        return ALL
    if name == "orientation" and colon:
        return _build_mask(lambda width, height: (height >= width) == (value == "portrait"))
    for prefix, sign in (("min-", ">="), ("max-", "<=")):
        if name.startswith(prefix):
            return _evaluate_range([_Name(name[4:]), sign, tokens[-1]])
    return _evaluate_range(_parse_comparison(tokens))


class _Name(str):
    """Name of a dimension in a comparison."""

    __slots__ = ()


def _parse_comparison(tokens: list[Any]) -> list[Any]:
    """Split ``width >= 600px`` or ``0 < width < 9px`` into operands and operators."""
    parts: list[Any] = []
    for token in tokens:
        if token.type == "literal":
            if parts and isinstance(parts[-1], str) and not isinstance(parts[-1], _Name):
                parts[-1] += token.value
            else:
                parts.append(str(token.value))
        else:
            parts.append(_Name(token.lower_value) if token.type == "ident" else token)
    return parts


def _evaluate_range(parts: list[Any]) -> int:
    if len(parts) not in (3, 5):
        return UNKNOWN
    mask = ALL
    for left, sign, right in zip(parts[::2], parts[1::2], parts[2::2], strict=False):
        if not isinstance(sign, str) or sign not in _COMPARED:
            return UNKNOWN
        first, second = _parse_sizes(left), _parse_sizes(right)
        if first is None or second is None:
            return UNKNOWN
        met = [_COMPARED[sign](a, b) for a, b in zip(first, second, strict=True)]
        mask &= sum(1 << number for number, is_met in enumerate(met * 2) if is_met)
    return mask


def _parse_sizes(part: Any) -> list[float] | None:
    """Return the value of an operand for each window size; ``None`` if it is unknown."""
    if isinstance(part, _Name):
        name = part.removeprefix("device-")
        if name not in ("width", "height"):
            return None
        return [float(size[name == "height"]) for size in _SIZES]
    if isinstance(part, str) or part.type not in ("number", "dimension"):
        return None
    unit = part.lower_unit if part.type == "dimension" else "px"
    return [part.value * _PIXELS[unit]] * len(_SIZES) if unit in _PIXELS else None


def _build_mask(met: Callable[[int, int], bool]) -> int:
    return sum(1 << number for number, size in enumerate(_SIZES * 2) if met(*size))


def _evaluate_support(tokens: list[Any]) -> int:
    """Return the browsers that support a declaration: all for old properties, else :data:`UNKNOWN`."""
    name = _get_word(tokens[0]) if tokens else ""
    if name.startswith("--") or name in _SUPPORTED:
        return ALL
    if name == "display" and tokens[-1].type == "ident" and tokens[-1].lower_value in _DISPLAYS:
        return ALL
    return UNKNOWN
