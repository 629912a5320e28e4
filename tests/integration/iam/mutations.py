"""Faults in policies: each removes or widens one element of a document."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["iter_mutations"]

Document = dict[str, Any]


def iter_mutations(document: Mapping[str, Any]) -> Iterator[tuple[str, Document]]:
    """Yield the name of each fault, and the document with it."""
    for number, statement in enumerate(document["Statement"]):
        name = statement.get("Sid", f"statement {number}")
        for fault, changed in _iter_changes(statement):
            mutant = copy.deepcopy(dict(document))
            mutant["Statement"][number : number + 1] = [changed] if changed else []
            yield f"{name}: {fault}", mutant


def _iter_changes(statement: Document) -> Iterator[tuple[str, Document]]:
    """Yield the name of each fault, and the statement with it: empty if it is removed."""
    yield "removed", {}
    for key in ("Action", "Resource"):
        entries = _to_list(statement.get(key, []))
        for entry in entries if len(entries) > 1 else []:
            yield f"without {entry}", {**statement, key: [each for each in entries if each != entry]}
    conditions = statement.get("Condition", {})
    for operator, keys in conditions.items():
        for key in keys:
            rest = conditions | {operator: {each: value for each, value in keys.items() if each != key}}
            filled = {each: value for each, value in rest.items() if value}
            yield f"without the condition {operator} {key}", {**statement, "Condition": filled}
    if statement["Effect"] == "Deny":
        return
    if "Resource" in statement:
        yield "on all resources", {**statement, "Resource": "*"}
    if "Principal" in statement:
        yield "for all principals", {**statement, "Principal": {"AWS": "*"}}
    actions = _to_list(statement["Action"])
    for service in sorted({action.partition(":")[0] for action in actions}):
        yield f"with {service}:*", {**statement, "Action": [*actions, f"{service}:*"]}


def _to_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
