"""Tests of the registry that replaces the registry of every image."""

import pytest

from tests.support.charts.rendering import PROFILES, HelmError, Release, render

MIRROR = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mirror"
DIGEST = "sha256:" + "0" * 64


def list_images(release: Release) -> list[str]:
    """Return the images of all containers."""
    return [
        container["image"]
        for _, pod in release.iter_pods()
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    ]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_image_comes_from_the_registry_with_its_digest(profile: str) -> None:
    plain, mirrored = (
        list_images(render(profile, *options))
        for options in ((), ("--set", f"global.imageRegistry={MIRROR}"))
    )
    for before, after in zip(plain, mirrored, strict=True):
        path = before.removeprefix("ghcr.io/").removeprefix("quay.io/").removeprefix("registry.k8s.io/")
        assert after == f"{MIRROR}/{path}"


@pytest.mark.parametrize(
    ("repository", "image"),
    [
        ("gateway", "gateway"),
        ("tenantry/gateway", "tenantry/gateway"),
        ("registry.example.com/team/gateway", "team/gateway"),
        ("registry:5000/gateway", "gateway"),
        ("localhost/gateway", "gateway"),
        ("localhost:5000/a/b/gateway", "a/b/gateway"),
        ("docker.io/library/gateway", "library/gateway"),
    ],
)
def test_the_registry_replaces_that_of_a_repository(repository: str, image: str) -> None:
    release = render(
        PROFILES[0],
        "--set", f"gateway.image.repository={repository}",
        "--set", f"gateway.image.tag=1.2.3,gateway.image.digest={DIGEST}",
        "--set", "global.imageRegistry=registry.internal:5000",
    )  # fmt: skip
    (container,) = release.get("Deployment", "gateway")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"registry.internal:5000/{image}:1.2.3@{DIGEST}"


@pytest.mark.parametrize("wrong", ["https://registry.example.com", "registry.example.com/", "a registry"])
def test_a_registry_that_is_no_prefix_of_an_image_is_refused(wrong: str) -> None:
    with pytest.raises(HelmError, match="/global/imageRegistry"):
        render(PROFILES[0], "--set", f"global.imageRegistry={wrong}")
