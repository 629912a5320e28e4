"""Tests of the roles, read back from IAM: the documents are those of ``infra/iam``."""

import json
from string import Template
from typing import Any

import pytest
from tenantry_infra.stacks import INFRA

from tests.support.aws.running import ACCOUNT, DeployedEnvironment
from tools.identity_template import ASSUMED, PODS

IGNORED = {"AWS::IAM::Role": ["PermissionsBoundary"]}
"""Properties that the emulator ignores. tests/unit/tenantry_infra/test_identity.py tests them."""

VALUES = {
    "account": ACCOUNT,
    "bucket": "digital-twin-docs-prod",
    "files": "open-webui-files-prod",
    "cluster": "tenantry-prod",
    "namespace": "tenantry",
}


def read_policy(name: str, **values: str) -> Any:
    """Return a policy of the repository with its variables; AWS' own (``${aws:...}``) are kept."""
    text = (INFRA / "iam" / f"{name}.json").read_text()
    return json.loads(Template(text).safe_substitute(VALUES | values))


@pytest.fixture(scope="module")
def iam(production: DeployedEnvironment) -> Any:
    return production.connect("iam")


@pytest.mark.parametrize("name", [*PODS, *ASSUMED])
def test_a_role_has_exactly_the_policy_of_the_repository(iam: Any, name: str) -> None:
    assert iam.list_role_policies(RoleName=f"tenantry-{name}")["PolicyNames"] == ["tenantry"]
    assert iam.list_attached_role_policies(RoleName=f"tenantry-{name}")["AttachedPolicies"] == []
    found = iam.get_role_policy(RoleName=f"tenantry-{name}", PolicyName="tenantry")
    assert found["PolicyDocument"] == read_policy(name)


@pytest.mark.parametrize("name", PODS)
def test_a_role_is_only_for_the_service_account_of_its_service_in_this_cluster(iam: Any, name: str) -> None:
    document = iam.get_role(RoleName=f"tenantry-{name}")["Role"]["AssumeRolePolicyDocument"]
    assert document == read_policy("pod-trust", serviceAccount=f"tenantry-{name}")
    (statement,) = document["Statement"]
    assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {
        "aws:SourceAccount": ACCOUNT,
        "aws:RequestTag/eks-cluster-name": "tenantry-prod",
        "aws:RequestTag/kubernetes-namespace": "tenantry",
        "aws:RequestTag/kubernetes-service-account": f"tenantry-{name}",
    }


@pytest.mark.parametrize("name", ASSUMED)
def test_a_role_for_one_tenant_is_assumed_only_by_the_roles_of_services(iam: Any, name: str) -> None:
    document = iam.get_role(RoleName=f"tenantry-{name}")["Role"]["AssumeRolePolicyDocument"]
    assert document == read_policy(f"{name}-trust")


def test_the_role_of_a_tenant_reaches_only_the_prefix_of_its_tag(iam: Any) -> None:
    policy = iam.get_role_policy(RoleName="tenantry-tenant", PolicyName="tenantry")["PolicyDocument"]
    for statement in policy["Statement"]:
        assert "${aws:PrincipalTag/tenant}" in json.dumps(statement)


def test_the_boundary_is_the_one_of_the_repository(iam: Any) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:policy/tenantry-boundary"
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    assert found == read_policy("boundary")
