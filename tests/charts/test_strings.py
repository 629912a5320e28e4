"""Tests of values that look like numbers or booleans: they stay strings in the objects."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.charts.rendering import MONITORED, HelmError, Release, run_helm
from tools.chart_schema import CHART

ADDED: dict[str, dict[str, Any]] = {
    "values-eks-prod.yaml": {
        "externalSecrets.enabled": True,
        "global.secretsStore.enabled": False,
        "global.rollouts.enabled": True,
        "global.rollouts.prometheusUrl": "http://prometheus.monitoring:9090",
        "httpRoute.enabled": True,
        "httpRoute.parentRefs": [{"name": "gateway"}],
        "n8n.worker.autoscaling.source": "keda",
    },
    "values-kind.yaml": {"global.secretsStore.enabled": True},
}
"""Values that add objects to a profile."""

WORDS = [("4242", "4242a"), ("true", "truth"), ("1e3", "1e3a"), ("null", "nulls")]
"""Words that YAML reads as something else, each with one that is a string."""


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the chart without the checks of contradictions, so that all values may be one word."""
    copy = tmp_path_factory.mktemp("charts") / "tenantry"
    shutil.copytree(CHART, copy)
    (copy / "templates" / "checks" / "checks.yaml").unlink()
    return copy


def list_strings(values: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the path of each string in the values."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from list_strings(value, f"{path}{name}.")
        elif isinstance(value, str):
            yield path + name


def list_places(value: Any, *place: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield the place and the value of each scalar in the objects."""
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from list_places(each, *place, key)
    else:
        yield place, value


def set_all(chart: Path, profile: str, paths: set[str], word: str) -> Release:
    """Render a profile in which these values are a word; the release's namespace is the word, too."""
    values: dict[str, Any] = {}
    for path, value in {**dict.fromkeys(paths, word), **ADDED[profile]}.items():
        *sections, name = path.split(".")
        section = values
        for each in sections:
            section = section.setdefault(each, {})
        section[name] = value
    file = chart.parent / "word.json"
    file.write_text(json.dumps(values))
    options = [*MONITORED, "--api-versions", "argoproj.io/v1alpha1/Rollout"]
    profiles = ["-f", str(chart / profile), "-f", str(file)]
    return Release(run_helm("template", word, str(chart), "-n", word, *profiles, *options))


def list_accepted(chart: Path, profile: str, words: tuple[str, str]) -> set[str]:
    """Return the paths of the values that may be one of these words by the schema."""
    paths = set(list_strings(yaml.safe_load((CHART / "values.yaml").read_text())))
    for word in words:
        try:
            set_all(chart, profile, paths, word)
        except HelmError as exc:
            paths = {path for path in paths if f"/{path.replace('.', '/')}'" not in str(exc)}
    return paths


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words[0])
@pytest.mark.parametrize("profile", ADDED)
def test_a_string_that_looks_like_something_else_stays_a_string(
    chart: Path, profile: str, words: tuple[str, str]
) -> None:
    word, twin = words
    tried = list_accepted(chart, profile, words)
    assert len(tried) > 80
    odd = dict(list_places(set_all(chart, profile, tried, word).objects))
    plain = dict(list_places(set_all(chart, profile, tried, twin).objects))
    assert {place: odd[place] for place, value in plain.items() if value == twin and odd[place] != word} == {}
