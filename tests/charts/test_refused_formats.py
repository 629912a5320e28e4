"""Tests of values that are wrong in themselves: the schema refuses them with their path."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.charts.rendering import HelmError, render
from tools.chart_formats import build_range_pattern
from tools.chart_schema import CHART

PRODUCTION = "values-eks-prod.yaml"
VALUES: dict[str, dict[str, list[Any]]] = yaml.safe_load(
    Path(__file__).with_name("refused_formats.yaml").read_text()
)
"""Wrong and right values by their path."""


def set_values(values: dict[str, Any]) -> str:
    """Render the production profile with the values and return helm's refusal, empty if it accepts them."""
    options = [
        part for path, value in values.items() for part in ("--set-json", f"{path}={json.dumps(value)}")
    ]
    try:
        render(PRODUCTION, *options)
    except HelmError as exc:
        return str(exc)
    return ""


def list_rounds(kind: str) -> list[dict[str, Any]]:
    """Return the first value of all paths, then the second value of all paths, and so on."""
    count = max(len(values[kind]) for values in VALUES.values())
    return [
        {path: values[kind][number] for path, values in VALUES.items() if number < len(values[kind])}
        for number in range(count)
    ]


@pytest.mark.parametrize("values", list_rounds("wrong"), ids=lambda values: f"{len(values)}-values")
def test_wrong_values_are_refused_with_their_paths(values: dict[str, Any]) -> None:
    refusal = set_values(values)
    assert [path for path in values if f"at '/{path.replace('.', '/')}" not in refusal] == []


@pytest.mark.parametrize("values", list_rounds("right"), ids=lambda values: f"{len(values)}-values")
def test_right_values_agree_with_the_schema(values: dict[str, Any]) -> None:
    """Templates may still refuse these values, because they contradict other values of the profile."""
    assert "specifications of the schema" not in set_values(values)


def test_the_schema_explains_what_it_expects() -> None:
    refusal = set_values(
        {"global.network.aws.cidrs": ["10.0.0.0/33"], "global.keycloak.url": "login.example.com"}
    )
    assert (
        "at '/global/network/aws/cidrs/0': value must be 'a block of addresses, such as 10.0.20.0/24"
        in refusal
    )
    assert "at '/global/keycloak/url': value must be 'the URL of Keycloak" in refusal
    assert "does not match pattern" not in refusal


@pytest.mark.parametrize("path", ["global.network.aws", "global.aws.region", "ingress.className"])
def test_a_removed_default_is_refused_by_name(path: str) -> None:
    assert f"missing property '{path.rpartition('.')[2]}'" in set_values({path: None})


def test_an_empty_list_may_be_null() -> None:
    assert set_values({"global.imagePullSecrets": None}) == ""


@pytest.mark.parametrize(
    ("low", "high"), [(0, 32), (0, 128), (1, 9), (16, 2048), (1, 65535), (95, 105), (100, 999)]
)
def test_the_pattern_of_a_range_matches_only_its_numbers(low: int, high: int) -> None:
    pattern = re.compile(build_range_pattern(low, high))
    matched = {number for number in range(70_000) if pattern.fullmatch(str(number))}
    assert matched == set(range(low, high + 1))


def test_the_schema_has_each_definition_once() -> None:
    """Helm compiles the schema in each call, so repetitions take time."""
    text = (CHART / "values.schema.json").read_text()
    definitions = json.loads(text)["definitions"]
    assert len({json.dumps(each) for each in definitions.values()}) == len(definitions)
    for name in definitions:
        assert f'"#/definitions/{name}"' in text, name
