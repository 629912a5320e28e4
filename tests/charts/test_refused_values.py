"""Tests of values that contradict each other: helm refuses them with a sentence that names both."""

import json
from typing import Any

import pytest

from tests.support.charts.rendering import PROFILES, HelmError, lint, render

PRODUCTION = "values-eks-prod.yaml"

Values = dict[str, Any]
"""Values by their path."""

CONTRADICTIONS: list[tuple[Values, list[str]]] = [
    # Numbers of pods.
    (
        {"gateway.autoscaling.minReplicas": 11},
        ["gateway.autoscaling.minReplicas (11)", "gateway.autoscaling.maxReplicas (10)"],
    ),
    (
        {"n8n.webhook.autoscaling.maxReplicas": 1},
        ["n8n.webhook.autoscaling.minReplicas (2)", "n8n.webhook.autoscaling.maxReplicas (1)"],
    ),
    (
        {"n8n.worker.autoscaling.initialReplicas": 21},
        ["n8n.worker.autoscaling.initialReplicas (21)", "n8n.worker.autoscaling.maxReplicas (20)"],
    ),
    (
        {"n8n.worker.autoscaling.initialReplicas": 1},
        ["n8n.worker.autoscaling.initialReplicas (1)", "n8n.worker.autoscaling.minReplicas (2)"],
    ),
    (
        {"gateway.embeddingsPerMinute": 9},
        ["gateway.embeddingsPerMinute (9)", "gateway.autoscaling.maxReplicas (10)"],
    ),
    # Requests and limits.
    (
        {"gateway.resources.limits.memory": "1023Mi"},
        ["gateway.resources.requests.memory (1Gi)", "gateway.resources.limits.memory (1023Mi)"],
    ),
    (
        {"n8n.initialScale.resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "999m"}}},
        ["n8n.initialScale.resources.requests.cpu (1)", "n8n.initialScale.resources.limits.cpu (999m)"],
    ),
    # Grace periods.
    (
        {"n8n.main.terminationGracePeriodSeconds": 20},
        ["n8n.main.terminationGracePeriodSeconds (20)", "global.drainSeconds (10)"],
    ),
    (
        {"n8n.worker.terminationGracePeriodSeconds": 629},
        ["n8n.worker.terminationGracePeriodSeconds (629)", "global.drainSeconds (10)"],
    ),
    (
        {"global.drainSeconds": 60},
        ["file-sync.terminationGracePeriodSeconds (30)", "global.drainSeconds (60)"],
    ),
]
"""Values that are refused together, and what the message names."""

NEIGHBOURS: list[Values] = [
    {"gateway.autoscaling.minReplicas": 10},
    {"n8n.worker.autoscaling.initialReplicas": 20},
    {"n8n.worker.autoscaling.initialReplicas": 2},
    {"gateway.embeddingsPerMinute": 10},
    {"gateway.resources.limits.memory": "1024Mi"},
    {"gateway.resources.limits.cpu": "1000m"},
    {"n8n.worker.terminationGracePeriodSeconds": 630},
    {"n8n.main.terminationGracePeriodSeconds": 21},
    {"global.drainSeconds": 20},
]
"""Values that differ a little from refused ones, and are accepted."""


def build_options(values: Values) -> list[str]:
    """Return the options of helm that set the values."""
    return [part for path, value in values.items() for part in ("--set-json", f"{path}={json.dumps(value)}")]


def get_refusal(values: Values) -> str:
    """Return helm's refusal of the values in the production profile."""
    with pytest.raises(HelmError) as refusal:
        render(PRODUCTION, *build_options(values))
    return str(refusal.value)


@pytest.mark.parametrize(("values", "names"), CONTRADICTIONS, ids=str)
def test_contradicting_values_are_refused_by_name(values: Values, names: list[str]) -> None:
    refusal = get_refusal(values)
    assert "These values contradict each other" in refusal
    assert not [name for name in names if name not in refusal]


@pytest.mark.parametrize("values", NEIGHBOURS, ids=str)
def test_neighbouring_values_are_accepted(values: Values) -> None:
    assert render(PRODUCTION, *build_options(values)).objects


def test_all_faults_are_reported_together() -> None:
    refusal = get_refusal(
        {"gateway.autoscaling.minReplicas": 11, "open-webui.autoscaling.minReplicas": 11},
    )
    assert "\n1. gateway.autoscaling.minReplicas (11)" in refusal
    assert "\n2. open-webui.autoscaling.minReplicas (11)" in refusal


def test_lint_also_refuses_contradictions() -> None:
    with pytest.raises(HelmError, match=r"gateway\.autoscaling\.minReplicas"):
        lint(PRODUCTION, "--set", "gateway.autoscaling.minReplicas=11")


@pytest.mark.parametrize("profile", PROFILES)
def test_checks_create_no_object(profile: str) -> None:
    assert "templates/checks" not in render(profile).text
