"""Label selectors of Kubernetes."""

from collections.abc import Mapping
from typing import Any

__all__ = ["matches_labels"]


def matches_labels(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Return True if a label selector selects an object with these labels; an empty selector selects all."""
    return all(
        labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items()
    ) and all(
        _matches_expression(expression, labels) for expression in selector.get("matchExpressions") or []
    )


def _matches_expression(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case other:
            raise ValueError(f"unknown operator {other}")
