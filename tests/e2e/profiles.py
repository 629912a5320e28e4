"""Profiles of the chart's values, and the tests that run with each."""

from pathlib import Path

from tools.chart_schema import CHART

__all__ = ["EKS_PROFILES", "EKS_TESTS", "KIND", "REPEATED_TESTS"]

FOLDER = Path(__file__).parent

KIND = "kind"
EKS_PROFILES = tuple(sorted(file.stem.removeprefix("values-") for file in CHART.glob("values-eks-*.yaml")))


def _list_paths(*names: str) -> tuple[str, ...]:
    return tuple(str(FOLDER / f"{name}.py") for name in names)


REPEATED_TESTS = _list_paths("test_network", "test_answers")
"""Tests of the profile for kind with the second filter. The tests with the first one end with an uninstall,
so these first install."""

EKS_TESTS = _list_paths(
    "test_smoke_test",
    "test_autoscaling",
    "test_answers",
    "test_uploads",
    "test_outside_servers",
    "test_unchanged_upgrade",
    "test_snapshots",
    "test_uninstall",
)
"""Tests of each profile for EKS, with each filter. With the second filter, the release is installed again."""
