"""Tests of the CRD's descriptions, which ``kubectl explain`` and the reference show."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.charts.crd import load_schema


def _iterate_fields(node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, field in node.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from _iterate_fields(field, f"{path}.{name}")
        yield from _iterate_fields(field.get("items", {}), f"{path}.{name}[]")


def _is_free_text(field: dict[str, Any]) -> bool:
    text = field.get("items", field)
    return text.get("type") == "string" and "enum" not in text


SCHEMA = load_schema()["properties"]

FIELDS = {
    path: field
    for name in ("spec", "status")
    for path, field in [(name, SCHEMA[name]), *_iterate_fields(SCHEMA[name], name)]
}


@pytest.mark.parametrize("path", FIELDS)
def test_field_is_described_in_sentences(path: str) -> None:
    described = FIELDS[path].get("description", "")
    assert described.endswith(".")
    assert described[0] in '"*' or described[0].isupper()


@pytest.mark.parametrize("path", FIELDS)
def test_default_is_described_correctly(path: str) -> None:
    """``kubectl explain`` shows no defaults, so descriptions contain them, except empty ones."""
    field = FIELDS[path]
    described = re.search(r"Default: (\S+)\.$", field["description"])
    default = field.get("default")
    if default in (None, "", {}, []) and default is not False:
        assert described is None
    else:
        assert described
        assert described[1] == (default if isinstance(default, str) else json.dumps(default))


@pytest.mark.parametrize(
    "path", [path for path, field in FIELDS.items() if path.startswith("spec") and "enum" in field]
)
def test_every_choice_is_explained(path: str) -> None:
    for choice in FIELDS[path]["enum"]:
        assert f'"{choice}": ' in FIELDS[path]["description"]


@pytest.mark.parametrize(
    "path", [path for path, field in FIELDS.items() if path.startswith("spec") and _is_free_text(field)]
)
def test_text_has_an_example(path: str) -> None:
    assert re.search(r'Examples?: "', FIELDS[path]["description"])
