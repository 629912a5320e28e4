"""Tests of the overlays with which tests/e2e installs the profiles for EKS: they change nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.eks.installation import OVERLAYS
from tests.e2e.images import VALUES_PATHS, list_image_options
from tests.support.charts.rendering import PROFILES, Object, Release, render

EKS_PROFILES = [name for name in PROFILES if name.startswith("values-eks-")]

POD = r"(?:spec\.|spec\.template\.spec\.|spec\.jobTemplate\.spec\.template\.spec\.)"
CONTAINER = POD + r"(?:initContainers|containers)\.[\w-]+\."

CHANGES = {
    "account": [CONTAINER + r"env\.\w*(?:BUCKET|BUCKET_NAME|ROLE_ARN)\.value"],
    "authorities": [
        CONTAINER + r"env\.(?:\w+_REDIS_CA_FILE|NODE_EXTRA_CA_CERTS)\.(?:name|value)",
        CONTAINER + r"volumeMounts\./etc/tenantry/redis\.\w+",
        POD + r"volumes\.redis-ca\..+",
    ],
    "aws": [
        CONTAINER + r"env\.AWS_CONTAINER_(?:CREDENTIALS_FULL_URI|AUTHORIZATION_TOKEN_FILE)\.\w+",
        CONTAINER + r"env\.(?:AWS_ENDPOINT_URL|AWS_ENDPOINT_URL_BEDROCK_RUNTIME|AWS_CA_BUNDLE)\.\w+",
        CONTAINER + r"env\.(?:S3_ENDPOINT_URL|S3_ADDRESSING_STYLE|SSL_CERT_FILE)\.\w+",
        CONTAINER + r"volumeMounts\./var/run/secrets/pods\.eks\.amazonaws\.com/serviceaccount\.\w+",
        CONTAINER + r"volumeMounts\./etc/authorities\.\w+",
        POD + r"volumes\.(?:pod-identity|authorities)\..+",
    ],
    "size": [
        CONTAINER + r"resources\.requests\.(?:cpu|memory)",
        CONTAINER + r"lifecycle\.preStop\.sleep\.seconds",
        r"spec\.(?:minReplicas|maxReplicas)",
        # What the chart derives from these values:
        CONTAINER + r"env\.N8N_GRACEFUL_SHUTDOWN_TIMEOUT\.value",
        CONTAINER + r"env\.GATEWAY_EMBEDDING(?:S|_TOKENS)_PER_MINUTE\.value",
        r"spec\.metrics\.0\.pods\.target\.averageValue",
        # A single peer of Qdrant has nothing to spread or to replicate.
        CONTAINER + r"env\.QDRANT__STORAGE__COLLECTION__REPLICATION_FACTOR\.value",
        POD + r"topologySpreadConstraints\.0\.(?:whenUnsatisfiable|minDomains|nodeTaintsPolicy)",
    ],
}
"""Paths of the fields that each overlay may change. Items of lists have their name or path."""


def test_each_overlay_has_its_list_of_changes() -> None:
    assert {file.stem for file in OVERLAYS} == set(CHANGES)


@pytest.mark.parametrize("profile", EKS_PROFILES)
@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda file: file.stem)
def test_an_overlay_changes_only_what_the_node_needs(profile: str, overlay: Path) -> None:
    changed = list_changes(render(profile), render(profile, "-f", str(overlay)))
    assert changed
    allowed = "|".join(CHANGES[overlay.stem])
    assert not {path for path in changed if not re.fullmatch(allowed, path)}


def test_the_overlays_together_add_and_remove_no_object() -> None:
    together = [option for file in OVERLAYS for option in ("-f", str(file))]
    for profile in EKS_PROFILES:
        before, after = (_list_names(render(profile, *options)) for options in ((), together))
        assert before == after


def list_changes(before: Release, after: Release) -> set[str]:
    """Return the path of each field that differs."""
    fields, changed = (dict(_iter_fields(release)) for release in (before, after))
    return {
        field[1]
        for field in fields.keys() | changed.keys()
        if field not in fields or field not in changed or fields[field] != changed[field]
    }


def _list_names(release: Release) -> list[tuple[str, str]]:
    return sorted((item["kind"], _get_name(item)) for item in release.objects)


def _get_name(item: Object) -> str:
    """Return the name of an object, without the hash of a job's content."""
    name: str = item["metadata"]["name"]
    return re.sub(r"-[0-9a-f]{8}$", "", name) if item["kind"] == "Job" else name


def _iter_fields(release: Release) -> Iterator[tuple[tuple[tuple[str, str], str], object]]:
    for item in release.objects:
        for path, value in _iter_leaves(item | {"metadata": {**item["metadata"], "name": ""}}, ""):
            yield ((item["kind"], _get_name(item)), path), value


def _iter_leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _iter_leaves(each, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _iter_leaves(each, f"{path}.{_name_item(each, number)}")
    else:
        yield path, value


def _name_item(item: Object | object, number: int) -> object:
    if isinstance(item, dict):
        return item.get("mountPath") or item.get("name") or number
    return number


@pytest.mark.parametrize("profile", PROFILES)
def test_the_images_of_all_containers_are_built_for_the_tests(profile: str) -> None:
    options = list_image_options({name: f"built/{name}:test" for name in VALUES_PATHS})
    pods = [template["spec"] for _, template in render(profile, *options).iter_pods()]
    images = {
        container["image"] for pod in pods for container in pod["containers"] + pod.get("initContainers", [])
    }
    assert not {image for image in images if not image.startswith("built/")}
