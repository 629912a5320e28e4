"""Tests of the image replacements in end-to-end tests: each image is replaced, each replacement built."""

from tests.e2e.images import (
    REPLACED_BY_STANDINS,
    REPLACED_IMAGES,
    TENANTRY_IMAGES,
    VALUES_PATHS,
    list_image_options,
)
from tests.support.charts.rendering import render


def test_every_image_of_the_kind_profile_is_replaced() -> None:
    options = list_image_options({name: f"registry.example/{name}:some" for name in VALUES_PATHS})
    images = {
        container["image"]
        for _, pod in render("values-kind.yaml", *options).iter_pods()
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    }
    assert images == {f"registry.example/{name}:some" for name in VALUES_PATHS}


def test_every_replacement_is_built() -> None:
    built = {image.name for image in (*TENANTRY_IMAGES, *REPLACED_IMAGES)}
    assert built | {REPLACED_BY_STANDINS} == set(VALUES_PATHS)
