"""Tests of every part in ``build_parts``: its model, CRD section, reference and independence."""

import ast
import importlib
import pkgutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tenant_operator import parts
from tenant_operator.conditions import build_condition_type
from tenant_operator.part import Part

from tests.support.charts.crd import build_table, load_schema
from tests.support.tenants.part_contract import build_all_parts

REPOSITORY = Path(__file__).parents[3]
PARTS = build_all_parts()
STATUS = load_schema()["properties"]["status"]["properties"]
COMMON = {"observedGeneration", "conditions", "personas"}
"""Fields of the status that belong to no part."""

every_part = pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)


def test_every_part_class_is_in_the_wiring() -> None:
    defined = set()
    for module in pkgutil.walk_packages(parts.__path__, f"{parts.__name__}."):
        tree = ast.parse(Path(str(importlib.import_module(module.name).__file__)).read_text())
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        defined |= {f"{module.name}.{node.name}" for node in classes if _has_method(node, "ensure")}
    assert defined == {f"{type(part).__module__}.{type(part).__name__}" for part in PARTS}


def _has_method(node: ast.ClassDef, name: str) -> bool:
    return any(isinstance(each, ast.AsyncFunctionDef) and each.name == name for each in node.body)


def test_names_and_conditions_are_unique() -> None:
    assert len({build_condition_type(part.name) for part in PARTS}) == len(PARTS)


@every_part
def test_the_part_that_after_names_is_earlier_in_the_list(part: Part[Any]) -> None:
    earlier = [each.name for each in PARTS[: PARTS.index(part)]]
    assert part.after in ("", *earlier)


@every_part
def test_a_section_is_in_the_definition_with_the_fields_of_its_model(part: Part[Any]) -> None:
    if part.section is None:
        assert part.name not in STATUS
        return
    assert part.name in STATUS, f"status.{part.name} is missing in crds/tenants.tenantry.io.yaml"
    schema = part.section.model_json_schema(by_alias=True)
    assert build_table(STATUS[part.name], {}) == build_table(schema, schema.get("$defs", {}))


def test_every_section_of_the_definition_has_a_part() -> None:
    assert STATUS.keys() - COMMON == {part.name for part in PARTS if part.section}


@every_part
def test_the_reference_describes_the_part(part: Part[Any]) -> None:
    reference = (REPOSITORY / "docs" / "reference" / "tenant.md").read_text()
    (row,) = [
        line
        for line in reference.splitlines()
        if line.startswith(f"| `{part.name}` | `{build_condition_type(part.name)}`")
    ]
    assert str(type(part).__doc__).splitlines()[0] in row


@every_part
def test_the_independence_contract_covers_the_part(part: Part[Any]) -> None:
    config = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    contracts = [
        each for each in config["tool"]["importlinter"]["contracts"] if each["type"] == "independence"
    ]
    assert ["tenant_operator.parts.*"] in [each["modules"] for each in contracts]
    assert type(part).__module__.startswith("tenant_operator.parts.")
