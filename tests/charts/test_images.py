"""The tests with real pods can put images of their own in the place of all that the chart names."""

from tests.e2e.images import OFFICIAL, OURS, VALUES, chosen
from tests.support.charts import render


def test_no_image_of_the_kind_profile_is_forgotten() -> None:
    options = chosen({name: f"registry.example/{name}:some" for name in VALUES})
    images = {
        container["image"]
        for _, pod in render("values-kind.yaml", *options).pods()
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    }
    assert images == {f"registry.example/{name}:some" for name in VALUES}


def test_each_is_built() -> None:
    assert {image.name for image in (*OURS, *OFFICIAL)} == set(VALUES)
