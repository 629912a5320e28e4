"""Tests of the replacement of all images in the tests with real pods."""

from tests.e2e.images import OFFICIAL, OURS, VALUES, chosen
from tests.support.charts import render


def test_every_image_of_the_kind_profile_is_replaced() -> None:
    options = chosen({name: f"registry.example/{name}:some" for name in VALUES})
    images = {
        container["image"]
        for _, pod in render("values-kind.yaml", *options).pods()
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    }
    assert images == {f"registry.example/{name}:some" for name in VALUES}


def test_every_replacement_is_built() -> None:
    assert {image.name for image in (*OURS, *OFFICIAL)} == set(VALUES)
