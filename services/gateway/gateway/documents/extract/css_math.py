"""Evaluation of CSS math functions: ``calc()``, ``min()``, ``clamp()`` and others that return a number."""

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

__all__ = ["evaluate", "split_at_commas"]

_MAX_DEPTH = 32
"""Deepest nesting that is evaluated."""

_FUNCTIONS: dict[str, Callable[..., float]] = {
    "calc": lambda value: value,
    "-webkit-calc": lambda value: value,
    "min": lambda *values: min(values),
    "max": lambda *values: max(values),
    "clamp": lambda least, value, most: max(least, min(value, most)),
    "abs": abs,
    "sign": lambda value: math.copysign(1.0, value) if value else 0.0,
    "mod": lambda value, step: value % step,
    "rem": math.fmod,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "pow": lambda base, exponent: float(base**exponent),
    "hypot": math.hypot,
    "sin": math.sin,
    "tan": math.tan,
}


def evaluate(function: Any, number: Callable[[Any], float | None], depth: int = 0) -> float | None:
    """Return the value of a math function; None for an invalid or other function.

    Parameters
    ----------
    function
        Token of tinycss2.
    number
        Function that returns the value of a token that is neither function nor operator.
    """
    compute = _FUNCTIONS.get(function.lower_name)
    if compute is None or depth > _MAX_DEPTH:
        return None
    try:
        return compute(
            *(_sum(argument, number, depth + 1) for argument in split_at_commas(function.arguments))
        )
    except (ArithmeticError, TypeError, ValueError):
        return None


def split_at_commas(tokens: Sequence[Any]) -> list[list[Any]]:
    """Return the arguments of a function, without spaces and comments."""
    significant = [item for item in tokens if item.type not in ("whitespace", "comment")]
    return [list(group) for is_comma, group in groupby(significant, lambda item: item == ",") if not is_comma]


def _sum(tokens: list[Any], number: Callable[[Any], float | None], depth: int) -> float:
    """Return the value of an expression in the arguments of a math function.

    Raises
    ------
    ValueError, ArithmeticError
        The expression is invalid, or a value is unknown.
    """
    total, factor, sign = 0.0, None, 1.0
    operator = "*"
    for token in tokens:
        if token.type == "literal" and token.value in "+-*/":
            if factor is None or operator:
                raise ValueError("an operator is at the position of a value")
            if token.value in "+-":
                total, factor, sign, operator = total + sign * factor, None, 1.0, "*"
                sign = 1.0 if token.value == "+" else -1.0
            else:
                operator = token.value
            continue
        if not operator:
            raise ValueError("an operator is missing")
        value = _evaluate_value(token, number, depth)
        factor = value if factor is None else factor * value if operator == "*" else factor / value
        operator = ""
    if factor is None or operator:
        raise ValueError("a value is missing")
    return total + sign * factor


def _evaluate_value(token: Any, number: Callable[[Any], float | None], depth: int) -> float:
    if depth > _MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    if token.type == "() block":
        (inner,) = split_at_commas(token.content)
        return _sum(inner, number, depth + 1)
    value = evaluate(token, number, depth) if token.type == "function" else number(token)
    if value is None:
        raise ValueError("a value is not known")
    return value
