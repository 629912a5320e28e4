"""Tests of the permission boundary and of the generated template of roles."""

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest
from tenantry_infra.stacks import INFRA, STACKS

from tools.identity_template import ASSUMED, PODS


def read_statements(name: str) -> list[Any]:
    statements: list[Any] = json.loads((INFRA / "iam" / f"{name}.json").read_text())["Statement"]
    return statements


def to_list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def is_within_boundary(action: str, resource: str) -> bool:
    """Return True if a statement of the boundary allows the action on all that the resource matches."""
    return any(
        fnmatchcase(action, allowed) and fnmatchcase(resource, pattern)
        for statement in read_statements("boundary")
        for allowed in to_list(statement["Action"])
        for pattern in to_list(statement["Resource"])
    )


@pytest.mark.parametrize("name", [*PODS, *ASSUMED])
def test_the_boundary_allows_what_a_role_needs(name: str) -> None:
    for statement in read_statements(name):
        for action in to_list(statement["Action"]):
            for resource in to_list(statement["Resource"]):
                if statement["Effect"] == "Allow":
                    assert is_within_boundary(action, resource), (statement["Sid"], action, resource)


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iam:CreateUser", "*"),
        ("iam:PassRole", "arn:aws:iam::${account}:role/tenantry-operator"),
        ("s3:GetObject", "arn:aws:s3:::another-bucket/key"),
        ("s3:DeleteBucket", "arn:aws:s3:::${bucket}"),
        ("s3:PutBucketPolicy", "arn:aws:s3:::${bucket}"),
        ("s3:PutLifecycleConfiguration", "arn:aws:s3:::${bucket}"),
        ("sts:AssumeRole", "arn:aws:iam::${account}:role/administrator"),
        ("bedrock:DeleteGuardrail", "arn:aws:bedrock:us-east-1:1:guardrail/x"),
        ("ec2:RunInstances", "*"),
    ],
)
def test_the_boundary_allows_nothing_else(action: str, resource: str) -> None:
    assert not is_within_boundary(action, resource)


def test_every_role_has_the_boundary() -> None:
    (identity,) = (stack for stack in STACKS if stack.name == "identity")
    roles = [
        resource["Properties"]
        for resource in identity.template.document["Resources"].values()
        if resource["Type"] == "AWS::IAM::Role"
    ]
    assert len(roles) == len(PODS) + len(ASSUMED)
    assert all(role["PermissionsBoundary"] == {"Ref": "Boundary"} for role in roles)


@pytest.mark.parametrize("name", sorted(file.stem for file in (INFRA / "iam").glob("*.json")))
def test_a_role_is_assumed_with_the_tags_of_pod_identity(name: str) -> None:
    """They are transitive, so AWS asks for both actions, in the caller's policy and in the trust policy."""
    for statement in read_statements(name):
        actions = set(to_list(statement["Action"])) & {"sts:AssumeRole", "sts:TagSession"}
        assert len(actions) in {0, 2}, statement


def test_every_policy_of_the_repository_is_in_the_template() -> None:
    used = {"boundary", "pod-trust", *PODS, *ASSUMED, *(f"{name}-trust" for name in ASSUMED)}
    # Users of the local platform take the place of EKS Pod Identity.
    assert {file.stem for file in (INFRA / "iam").glob("*.json")} - used == {"trust"}
