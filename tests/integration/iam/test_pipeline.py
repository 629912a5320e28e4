"""Tests of the policies of the pipeline in a simulator of AWS' evaluation, with faults in them."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from tenantry_infra.stacks import STACKS

from tests.support.aws.pipelines import resolve
from tools.iam_simulator import Request, simulate

from .mutations import iter_mutations

ACCOUNT, DEV, STAGING, OTHER_ACCOUNT = "123456789012", "111111111111", "222222222222", "999999999999"
NEW, OLD = "owner@12/name@34", "owner/name"
"""Subjects of repositories since July 2026, and before."""

ISSUER, KNOWN_ISSUER = "token.actions.githubusercontent.com", "cognito-identity.amazonaws.com"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
MAIN, VERSION = "ref:refs/heads/main", "ref:refs/tags/v1.2.3"
ARN = f"us-east-1:{ACCOUNT}"
KEY = f"arn:aws:kms:{ARN}:key/1"
RELEASE = "arn:aws:s3:::the-releases/releases/1.2.3.zip"
KEY_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ],
}
"""The key's policy leaves the decision to the policies of roles of its account."""

VIA_S3 = {"kms:ViaService": "s3.us-east-1.amazonaws.com"}


def read_role(stack: str, name: str, **values: str) -> tuple[Any, Any]:
    """Return the trust policy and the policy of a role."""
    (found,) = (each for each in STACKS if each.name == stack)
    given = {
        "AWS::AccountId": ACCOUNT,
        "AWS::Region": "us-east-1",
        "PipelineBucket": "the-releases",
        "PipelineAccount": ACCOUNT,
        "DevAccount": DEV,
        "StagingAccount": STAGING,
        "Releases.Arn": "arn:aws:s3:::the-releases",
        "Key.Arn": KEY,
        "Topic": f"arn:aws:sns:{ARN}:tenantry-pipeline",
        "Project.Arn": f"arn:aws:codebuild:us-east-1:{DEV}:project/tenantry-deploy",
        "GitHubProvider": PROVIDER,
        **values,
    }
    properties = dict(found.template.document["Resources"][name]["Properties"])
    trust = properties["AssumeRolePolicyDocument"]
    if name == "GitHubRole":  # its provider depends on a condition, which resolve() does not evaluate
        trust = {**trust, "Statement": [{**trust["Statement"][0], "Principal": {"Federated": PROVIDER}}]}
    return resolve(trust, given), resolve(properties["Policies"][0]["PolicyDocument"], given)


def make_login(trust: Mapping[str, Any], subject: str, audience: str = "sts.amazonaws.com") -> Request:
    """Return the call with which a workflow gets the role.

    The simulator knows the claims of Cognito's tokens, and ignores those of GitHub's. So the policy and the
    request name Cognito's.
    """
    context = {f"{KNOWN_ISSUER}:aud": audience} | ({f"{KNOWN_ISSUER}:sub": subject} if subject else {})
    return Request(
        principal=PROVIDER,
        action="sts:AssumeRoleWithWebIdentity",
        resource=f"arn:aws:iam::{ACCOUNT}:role/tenantry-github",
        account=ACCOUNT,
        identity_policies={},
        resource_policy=json.loads(json.dumps(trust).replace(f"{ISSUER}:", f"{KNOWN_ISSUER}:")),
        context=context,
    )


def make_call(role: str, policy: Mapping[str, Any], action: str, resource: str, **context: str) -> Request:
    return Request(
        principal=f"arn:aws:iam::{ACCOUNT}:role/{role}",
        action=action,
        resource=resource,
        account=ACCOUNT,
        identity_policies={"tenantry": policy},
        resource_policy=KEY_POLICY if action.startswith("kms:") else None,
        context=context,
    )


TRUST, GITHUB = read_role("pipeline", "GitHubRole", Repository=OLD)
NEW_TRUST, _ = read_role("pipeline", "GitHubRole", Repository=NEW)

TRUSTED = [f"repo:{OLD}:{MAIN}", f"repo:{OLD}:{VERSION}"]
REFUSED = [
    "",
    f"repo:other/name:{MAIN}",  # a foreign repository
    f"repo:someone/name:{MAIN}",  # a fork, on its own branch main
    f"repo:owner/name-2:{MAIN}",
    f"repo:owner/name2:{MAIN}",
    f"repo:my-owner/name:{MAIN}",
    f"repo:{OLD}:pull_request",
    f"repo:{OLD}:ref:refs/heads/main2",
    f"repo:{OLD}:ref:refs/heads/feature/main",
    f"repo:{OLD}:ref:refs/heads/v1.2.3",
    f"repo:{OLD}:ref:refs/pull/7/merge",
    f"repo:{OLD}:ref:refs/tags/nightly",
    f"repo:{OLD}:environment:production",
    f"repo:{NEW}:{MAIN}",  # the name was given to a new repository
    f"x:repo:{OLD}:{MAIN}",
]

IMAGE = f"arn:aws:ecr:{ARN}:repository/tenantry"
CALLS: list[tuple[bool, str, str, dict[str, str]]] = [
    *(
        (True, f"ecr:{action}", f"{IMAGE}/{image}", {})
        for image in ("operator", "gateway", "file-sync", "jobs")
        for action in (
            "BatchCheckLayerAvailability", "BatchGetImage", "CompleteLayerUpload", "GetDownloadUrlForLayer",
            "InitiateLayerUpload", "PutImage", "UploadLayerPart",
        )
    ),
    (True, "ecr:GetAuthorizationToken", "*", {}),
    (True, "s3:PutObject", RELEASE, {}),
    (True, "kms:GenerateDataKey", KEY, VIA_S3),
    (True, "kms:Decrypt", KEY, VIA_S3),
    (True, "codepipeline:StartPipelineExecution", f"arn:aws:codepipeline:{ARN}:tenantry", {}),
    (False, "ecr:PutImage", f"{IMAGE}/other", {}),
    (False, "ecr:PutImage", f"arn:aws:ecr:{ARN}:repository/other", {}),
    (False, "ecr:BatchDeleteImage", f"{IMAGE}/gateway", {}),
    (False, "ecr:SetRepositoryPolicy", f"{IMAGE}/gateway", {}),
    (False, "s3:GetObject", RELEASE, {}),
    (False, "s3:DeleteObjectVersion", RELEASE, {}),
    (False, "s3:PutObject", "arn:aws:s3:::the-releases/tenantry/Release/1.zip", {}),
    (False, "s3:PutObject", "arn:aws:s3:::digital-twin-docs-prod/releases/1.zip", {}),
    (False, "kms:Decrypt", KEY, {}),
    (False, "kms:GenerateDataKey", KEY, {}),
    (False, "kms:ScheduleKeyDeletion", KEY, VIA_S3),
    (False, "kms:Decrypt", f"arn:aws:kms:{ARN}:key/2", VIA_S3),
    (False, "codepipeline:StartPipelineExecution", f"arn:aws:codepipeline:{ARN}:other", {}),
    (False, "codepipeline:PutApprovalResult", f"arn:aws:codepipeline:{ARN}:tenantry/Approval/Approve", {}),
    (False, "codepipeline:UpdatePipeline", f"arn:aws:codepipeline:{ARN}:tenantry", {}),
    (False, "sts:AssumeRole", f"arn:aws:iam::{DEV}:role/tenantry-deploy-action", {}),
]  # fmt: skip


@pytest.mark.parametrize("subject", TRUSTED)
def test_main_and_versions_of_the_repository_are_trusted(subject: str) -> None:
    assert simulate([make_login(TRUST, subject)]) == [True]


def test_nothing_else_is_trusted() -> None:
    allowed = simulate([make_login(TRUST, subject) for subject in REFUSED])
    assert [subject for subject, trusted in zip(REFUSED, allowed, strict=True) if trusted] == []


def test_a_token_for_another_service_is_refused() -> None:
    assert simulate([make_login(TRUST, TRUSTED[0], "https://github.com/owner")]) == [False]


def test_a_new_repository_is_trusted_by_its_ids() -> None:
    subjects = [NEW, OLD, "owner@12/name@35", "owner@13/name@34"]
    logins = [make_login(NEW_TRUST, f"repo:{each}:{MAIN}") for each in subjects]
    assert simulate(logins) == [True, False, False, False]


def test_github_pushes_images_and_releases_and_starts_the_pipeline() -> None:
    requests = [make_call("tenantry-github", GITHUB, *call[1:3], **call[3]) for call in CALLS]
    allowed = simulate(requests)
    assert [call for call, decision in zip(CALLS, allowed, strict=True) if decision != call[0]] == []


def test_a_fault_in_the_policies_for_github_is_detected() -> None:
    logins = [(subject, "sts.amazonaws.com") for subject in [*TRUSTED, *REFUSED]] + [(TRUSTED[0], "other")]
    faults = {
        f"trust: {name}": [make_login(mutant, *login) for login in logins]
        for name, mutant in iter_mutations(TRUST)
        if "for all principals" not in name and "with sts:*" not in name
    }
    trusted = [subject in TRUSTED and audience != "other" for subject, audience in logins]
    expected = dict.fromkeys(faults, trusted)
    for name, mutant in iter_mutations(GITHUB):
        faults[name] = [make_call("tenantry-github", mutant, *call[1:3], **call[3]) for call in CALLS]
        expected[name] = [call[0] for call in CALLS]
    decisions = iter(simulate([request for requests in faults.values() for request in requests]))
    found = {name: [next(decisions) for _ in requests] for name, requests in faults.items()}
    undetected = [name for name in faults if found[name] == expected[name]]
    assert undetected == ["LogInToRegistry: on all resources"]  # it has no other resource


@pytest.mark.parametrize(
    ("principal", "allowed"),
    [
        (f"arn:aws:iam::{ACCOUNT}:role/tenantry-pipeline", True),
        (f"arn:aws:iam::{ACCOUNT}:role/tenantry-github", False),
        (f"arn:aws:iam::{ACCOUNT}:role/other", False),
        (f"arn:aws:iam::{OTHER_ACCOUNT}:role/tenantry-pipeline", False),
    ],
)
def test_an_environment_trusts_only_the_role_of_the_pipeline(principal: str, allowed: bool) -> None:
    trust, _ = read_role("deployer", "ActionRole")
    _, pipeline = read_role("pipeline", "PipelineRole")
    request = Request(
        principal=principal,
        action="sts:AssumeRole",
        resource=f"arn:aws:iam::{DEV}:role/tenantry-deploy-action",
        account=DEV,
        identity_policies={"tenantry": pipeline},
        resource_policy=trust,
        context={"aws:PrincipalArn": principal},
    )
    assert simulate([request]) == [allowed]


def test_the_pipeline_becomes_no_other_role() -> None:
    _, pipeline = read_role("pipeline", "PipelineRole")
    roles = [f"arn:aws:iam::{DEV}:role/{name}" for name in ("tenantry-deploy", "admin")]
    assert simulate([make_call("tenantry-pipeline", pipeline, "sts:AssumeRole", each) for each in roles]) == [
        False,
        False,
    ]
