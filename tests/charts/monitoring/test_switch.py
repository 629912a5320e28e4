"""Tests of `monitoring.enabled`: on where prometheus-operator's kinds exist, else refused or off."""

import pytest

from tests.support.charts.rendering import MONITORED, PROFILES, HelmError, Release, render

PROFILE = "values-eks-prod.yaml"
KINDS = ("PodMonitor", "ServiceMonitor", "PrometheusRule")


def list_dashboards(release: Release) -> list[str]:
    names = [item["metadata"]["name"] for item in release.list_objects("ConfigMap")]
    return [name for name in names if name.endswith("rag-system-health")]


@pytest.mark.parametrize("profile", PROFILES)
def test_monitoring_is_on_where_its_kinds_exist(profile: str) -> None:
    release = render(profile, *MONITORED)
    assert len(release.list_objects("PodMonitor")) >= 3
    assert len(release.list_objects("PrometheusRule")) >= 1
    assert len(list_dashboards(release)) == 1


@pytest.mark.parametrize("profile", PROFILES)
def test_without_its_kinds_a_release_installs_without_monitoring(profile: str) -> None:
    release = render(profile)
    assert not release.list_objects(*KINDS)
    assert not list_dashboards(release)


def test_monitoring_can_be_off_where_its_kinds_exist() -> None:
    assert not render(PROFILE, *MONITORED, "--set", "monitoring.enabled=false").list_objects(*KINDS)


def test_monitoring_that_cannot_be_is_refused_with_the_next_step() -> None:
    with pytest.raises(HelmError, match=r"monitoring\.enabled is true, but .* Install its CRDs first"):
        render(PROFILE, "--set", "monitoring.enabled=true")


@pytest.mark.parametrize(
    ("option", "path"),
    [
        ("monitoring.enabled=yes", "/monitoring/enabled"),
        ("monitoring.monitorKind=Probe", "/monitoring/monitorKind"),
    ],
)
def test_another_word_is_refused_with_its_path(option: str, path: str) -> None:
    with pytest.raises(HelmError, match=path):
        render(PROFILE, *MONITORED, "--set", option)
