"""Tests of the Dockerfile: its targets are the chart's images, and its user is the user of the pods."""

import re

from tests.support.charts.rendering import render
from tools.chart_schema import CHART

REPOSITORY = CHART.parents[1]
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()


def test_each_tenantry_image_is_a_target() -> None:
    targets = set(re.findall(r"^FROM runtime AS (\S+)$", DOCKERFILE, re.MULTILINE))
    images = {
        container["image"].partition("/")[2].partition(":")[0]
        for _, pod in render("values-eks-prod.yaml").iter_pods()
        for container in pod["spec"]["containers"]
        if container["image"].startswith("tenantry/")
    }
    assert images <= targets == {"operator", "gateway", "file-sync", "jobs"}


def test_images_and_pods_have_the_same_user() -> None:
    (user,) = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)
    for _, pod in render("values-eks-prod.yaml").iter_pods():
        if pod["spec"]["containers"][0]["image"].startswith("tenantry/"):
            assert pod["spec"]["securityContext"]["runAsUser"] == int(user)


def test_packages_are_installed_by_hash_from_existing_locks() -> None:
    for line in re.findall(r"uv pip install .*|pip install .*", DOCKERFILE):
        assert "--require-hashes" in line or "--no-deps --target /packages /wheels/" in line
    for lock in re.findall(r"-r (requirements/\S+)", DOCKERFILE):
        assert (REPOSITORY / lock).exists()


def test_a_layer_of_dependencies_changes_only_with_its_lock() -> None:
    stages = re.findall(r"^FROM (\S+) AS (\S+)-dependencies\n((?:.+\n)+)", DOCKERFILE, re.MULTILINE)
    assert {(base, name) for base, name, _ in stages} == {
        ("tools", name) for name in ("operator", "gateway", "file-sync", "jobs")
    }
    for _, name, instructions in stages:
        assert re.findall(r"^COPY (.+)$", instructions, re.MULTILINE) == [
            re.search(r"-r (requirements/\S+)", instructions)[1] + " requirements/"  # type: ignore[index]
        ], name
