"""When nodes are short, what people wait for comes first, and what works in the background gives way."""

import pytest

from tests.support.charts import PROFILES, Release, render

BACKGROUND = {"operator", "file-sync", "file-sync-grants", "open-webui-migrate"} | {
    f"{name}-install" for name in ("n8n", "open-webui")
}


def classes(release: Release) -> dict[str, str | None]:
    """Return each workload's PriorityClass."""
    return {name: pod["spec"].get("priorityClassName") for name, pod in release.pods()}


@pytest.mark.parametrize("profile", PROFILES)
def test_background_is_what_nobody_waits_for(profile: str) -> None:
    found = classes(render(profile))
    background = {name for name, value in found.items() if value == "chart-test-demo-background"}
    assert background - {"n8n-initial-scale"} == BACKGROUND
    assert {found[name] for name in set(found) - background} == {"chart-test-demo-serving"}


def test_it_gives_way_and_pushes_nobody_out() -> None:
    serving, background = (
        next(
            item
            for item in render(PROFILES[0]).of("PriorityClass")
            if item["metadata"]["name"].endswith(name)
        )
        for name in ("serving", "background")
    )
    assert serving["value"] > background["value"] > 0
    assert background["preemptionPolicy"] == "Never"
    assert not serving.get("globalDefault")
    assert not background.get("globalDefault")


def test_a_cluster_may_have_its_own() -> None:
    release = render(
        PROFILES[0],
        "--set", "global.priorityClasses.install=false,global.priorityClasses.serving=gold",
    )  # fmt: skip
    assert not release.of("PriorityClass")
    found = classes(release)
    assert (found["gateway"], found["operator"]) == ("gold", None)
