"""Tests of the repositories, read back from ECR after their deployment."""

import json
from typing import Any

import pytest

from tests.support.aws.running import DeployedEnvironment

IGNORED = {"AWS::ECR::ReplicationConfiguration": "tests/unit/tenantry_infra/test_registry.py tests it"}


@pytest.fixture(scope="module")
def repositories(production: DeployedEnvironment) -> dict[str, Any]:
    found = production.connect("ecr").describe_repositories()["repositories"]
    return {each["repositoryName"]: each for each in found}


def test_there_is_a_repository_of_each_image(
    repositories: dict[str, Any], production: DeployedEnvironment
) -> None:
    assert set(repositories) == {f"tenantry/{name}" for name in ("operator", "gateway", "file-sync", "jobs")}
    uris = {each["repositoryUri"] for each in repositories.values()}
    assert set(production.get_outputs("registry").values()) == uris


def test_a_pushed_tag_is_scanned_and_never_changes(repositories: dict[str, Any]) -> None:
    for repository in repositories.values():
        assert repository["imageTagMutability"] == "IMMUTABLE"
        assert repository["imageScanningConfiguration"] == {"scanOnPush": True}


def test_only_untagged_images_expire(repositories: dict[str, Any], production: DeployedEnvironment) -> None:
    ecr = production.connect("ecr")
    for name in repositories:
        policy = json.loads(ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"])
        assert [rule["selection"]["tagStatus"] for rule in policy["rules"]] == ["untagged"]
        assert policy["rules"][0]["selection"]["countNumber"] == 14
