"""Tests of the chart as a dependency of another chart, under its own name and under an alias."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.charts.rendering import MONITORED, PROFILES, RELEASE, HelmError, Release, render, run_helm
from tools.chart_schema import CHART

PRODUCTION = "values-eks-prod.yaml"
VOLUMES = {"extraVolumes": [{"name": "extra", "emptyDir": {}}]}
MOUNTED = VOLUMES | {"extraVolumeMounts": [{"name": "extra", "mountPath": "/extra"}]}

aliases = pytest.mark.parametrize("alias", ["", "rag"])


def write_umbrella(folder: Path, profile: str, alias: str, values: Mapping[str, Any] | None = None) -> Path:
    """Write a chart that depends on this one with the values of a profile."""
    dependency = {"name": "tenantry", "version": "0.0.0-dev", "repository": f"file://{CHART}"}
    if alias:
        dependency["alias"] = alias
    chart = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [dependency]}
    (folder / "Chart.yaml").write_text(yaml.safe_dump(chart))
    own = yaml.safe_load((CHART / profile).read_text())
    for path, section in (values or {}).items():
        place = own
        for name in path.split("."):
            place = place.setdefault(name, {})
        place.update(section)
    (folder / "values.yaml").write_text(yaml.safe_dump({alias or "tenantry": own}))
    run_helm("dependency", "update", str(folder))
    return folder


def render_umbrella(folder: Path, *options: str) -> Release:
    return Release(run_helm("template", RELEASE, str(folder), "-n", "chart-test", *options))


@aliases
@pytest.mark.parametrize("profile", PROFILES)
def test_a_chart_can_depend_on_this_one(tmp_path: Path, profile: str, alias: str) -> None:
    depending = render_umbrella(write_umbrella(tmp_path, profile, alias), *MONITORED)
    names = {(each["kind"], each["metadata"]["name"]) for each in render(profile, *MONITORED).objects}
    assert {(each["kind"], each["metadata"]["name"]) for each in depending.objects} == names


@aliases
def test_additional_variables_and_volumes_are_checked_there_too(tmp_path: Path, alias: str) -> None:
    accepted = dict.fromkeys(("gateway", "qdrant.snapshots", "databases", "smokeTest"), MOUNTED)
    values = {**accepted, "file-sync": VOLUMES | {"extraEnv": [{"name": "EXTRA", "value": "x"}]}}
    assert render_umbrella(write_umbrella(tmp_path, PRODUCTION, alias, values)).objects
    wrong = {
        "gateway": {"extraEnv": [{"name": "AWS_DEFAULT_REGION", "value": "x"}]},
        "smokeTest": {"extraVolumes": VOLUMES["extraVolumes"] * 2},
    }
    with pytest.raises(HelmError) as refusal:
        render_umbrella(write_umbrella(tmp_path, PRODUCTION, alias, wrong))
    assert "gateway.extraEnv has AWS_DEFAULT_REGION" in str(refusal.value)
    assert "smokeTest.extraVolumes has the name extra" in str(refusal.value)
