"""Tests of the PriorityClasses of serving and background pods."""

import pytest

from tests.support.charts.rendering import PROFILES, Release, render

BACKGROUND = {
    "operator",
    "file-sync",
    "file-sync-grants",
    "open-webui-migrate",
    "qdrant-snapshots",
    "smoke-test",
} | {f"{name}-install" for name in ("n8n", "open-webui")}


def list_classes(release: Release) -> dict[str, str | None]:
    """Return the PriorityClass of each workload."""
    return {name: pod["spec"].get("priorityClassName") for name, pod in release.iter_pods()}


@pytest.mark.parametrize("profile", PROFILES)
def test_each_workload_has_its_priority_class(profile: str) -> None:
    found = list_classes(render(profile))
    background = {name for name, value in found.items() if value == "chart-test-demo-background"}
    assert background - {"n8n-initial-scale", "databases-install"} == BACKGROUND
    assert {found[name] for name in set(found) - background} == {"chart-test-demo-serving"}


def test_background_pods_have_a_lower_priority_and_evict_no_pod() -> None:
    serving, background = (
        next(
            item
            for item in render(PROFILES[0]).list_objects("PriorityClass")
            if item["metadata"]["name"].endswith(name)
        )
        for name in ("serving", "background")
    )
    assert serving["value"] > background["value"] > 0
    assert background["preemptionPolicy"] == "Never"
    assert not serving.get("globalDefault")
    assert not background.get("globalDefault")


def test_existing_priority_classes_can_be_used() -> None:
    release = render(
        PROFILES[0],
        "--set", "global.priorityClasses.install=false,global.priorityClasses.serving=gold",
    )  # fmt: skip
    assert not release.list_objects("PriorityClass")
    found = list_classes(release)
    assert (found["gateway"], found["operator"]) == ("gold", None)
