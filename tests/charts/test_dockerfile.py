"""The images that the chart names can be built, and their user is the one that the pods run as."""

import re

from tests.support.charts import render
from tools.chart_schema import CHART

REPOSITORY = CHART.parents[1]
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()


def test_each_image_of_ours_is_a_target() -> None:
    targets = set(re.findall(r"^FROM runtime AS (\S+)$", DOCKERFILE, re.MULTILINE))
    images = {
        container["image"].partition("/")[2].partition(":")[0]
        for _, pod in render("values-eks-prod.yaml").pods()
        for container in pod["spec"]["containers"]
        if container["image"].startswith("tenantry/")
    }
    assert images <= targets == {"operator", "gateway", "file-sync", "jobs"}


def test_the_images_user_is_the_pods() -> None:
    (user,) = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)
    for _, pod in render("values-eks-prod.yaml").pods():
        if pod["spec"]["containers"][0]["image"].startswith("tenantry/"):
            assert pod["spec"]["securityContext"]["runAsUser"] == int(user)


def test_what_is_installed_is_pinned_by_hash_and_each_lock_is_there() -> None:
    for line in re.findall(r"uv pip install .*|pip install .*", DOCKERFILE):
        assert "--require-hashes" in line or "--no-deps /wheels/" in line
    for lock in re.findall(r"-r (requirements/\S+)", DOCKERFILE):
        assert (REPOSITORY / lock).exists()
