"""Tests of the pipeline: roles and project are read back from ministack, the pipeline itself from moto."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tenantry_infra.stacks import STACKS

from tests.support.aws.pipelines import build_declaration, run_moto
from tests.support.aws.running import ACCOUNT, DeployedEnvironment, Emulator

from .conftest import DEV_ACCOUNT, RELEASES, STAGING_ACCOUNT

IGNORED = {
    "AWS::CodeBuild::Project": ["VpcConfig", "LogsConfig", "ConcurrentBuildLimit"],
    "AWS::S3::Bucket": ["BucketEncryption"],
}
"""Properties that the emulator ignores. tests/unit/tenantry_infra/test_pipeline.py tests them."""

PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
(PIPELINE,) = (stack for stack in STACKS if stack.name == "pipeline")


def get_trust(production: DeployedEnvironment, role: str) -> Any:
    document = production.connect("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    (statement,) = document["Statement"]
    return statement


def get_statements(production: DeployedEnvironment, role: str) -> dict[str, Any]:
    policy = production.connect("iam").get_role_policy(RoleName=role, PolicyName="tenantry")
    return {each["Sid"]: each for each in policy["PolicyDocument"]["Statement"]}


def test_github_is_trusted_for_one_repository_without_a_stored_key(production: DeployedEnvironment) -> None:
    provider = production.connect("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER)
    assert provider["ClientIDList"] == ["sts.amazonaws.com"]
    assert get_trust(production, "tenantry-github") == {
        "Effect": "Allow",
        "Principal": {"Federated": PROVIDER},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"},
            "StringLike": {
                "token.actions.githubusercontent.com:sub": [
                    "repo:owner/name:ref:refs/heads/main",
                    "repo:owner/name:ref:refs/tags/v*",
                ]
            },
        },
    }


def test_github_may_only_push_the_images_and_start_the_pipeline(production: DeployedEnvironment) -> None:
    statements = get_statements(production, "tenantry-github")
    repositories = production.connect("ecr").describe_repositories()["repositories"]
    assert set(statements["PushImages"]["Resource"]) == {each["repositoryArn"] for each in repositories}
    assert statements["UploadReleases"]["Resource"] == f"arn:aws:s3:::{RELEASES}/releases/*"
    assert statements["StartPipeline"] == {
        "Sid": "StartPipeline",
        "Effect": "Allow",
        "Action": "codepipeline:StartPipelineExecution",
        "Resource": f"arn:aws:codepipeline:us-east-1:{ACCOUNT}:tenantry",
    }
    services = {
        action.partition(":")[0] for each in statements.values() for action in to_list(each["Action"])
    }
    assert services == {"ecr", "s3", "kms", "codepipeline"}


def test_only_codebuild_assumes_the_role_that_administers_the_cluster(
    production: DeployedEnvironment,
) -> None:
    trust = get_trust(production, "tenantry-deploy")
    assert trust["Principal"] == {"Service": "codebuild.amazonaws.com"}
    project = f"arn:aws:codebuild:us-east-1:{ACCOUNT}:project/tenantry-deploy"
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": project}
    cluster = get_statements(production, "tenantry-deploy")["FindCluster"]
    assert cluster["Action"] == "eks:DescribeCluster"
    assert cluster["Resource"].endswith(":cluster/tenantry-prod")


def test_the_project_runs_the_buildspec_of_a_release_in_its_cluster(production: DeployedEnvironment) -> None:
    (project,) = production.connect("codebuild").batch_get_projects(names=["tenantry-deploy"])["projects"]
    assert project["source"] == {"type": "CODEPIPELINE", "buildspec": "buildspec.yaml"}
    assert project["serviceRole"] == f"arn:aws:iam::{ACCOUNT}:role/tenantry-deploy"
    variables = {each["name"]: each["value"] for each in project["environment"]["environmentVariables"]}
    assert variables == {
        "CLUSTER": "tenantry-prod", "NAMESPACE": "tenantry", "RELEASE": "tenantry", "SMOKE_URL": "",
    }  # fmt: skip
    assert project["timeoutInMinutes"] == 120


def test_nodes_of_the_other_accounts_pull_the_images(production: DeployedEnvironment) -> None:
    ecr = production.connect("ecr")
    for repository in ecr.describe_repositories()["repositories"]:
        policy = json.loads(
            ecr.get_repository_policy(repositoryName=repository["repositoryName"])["policyText"]
        )
        (statement,) = policy["Statement"]
        assert statement["Principal"] == {"AWS": [DEV_ACCOUNT, STAGING_ACCOUNT]}
        assert not [action for action in statement["Action"] if "Put" in action or "Upload" in action]


def test_releases_are_versioned_and_private(production: DeployedEnvironment) -> None:
    s3 = production.connect("s3")
    assert s3.get_bucket_versioning(Bucket=RELEASES)["Status"] == "Enabled"
    assert all(s3.get_public_access_block(Bucket=RELEASES)["PublicAccessBlockConfiguration"].values())
    policy = json.loads(s3.get_bucket_policy(Bucket=RELEASES)["Policy"])
    allowed = [each for each in policy["Statement"] if each["Effect"] == "Allow"]
    accounts = [f"arn:aws:iam::{account}:root" for account in (DEV_ACCOUNT, STAGING_ACCOUNT)]
    assert all(each["Principal"] == {"AWS": accounts} for each in allowed)
    assert all("aws:PrincipalArn" in each["Condition"]["ArnLike"] for each in allowed)


def test_a_failed_stage_sends_a_message(production: DeployedEnvironment) -> None:
    rule = production.connect("events").describe_rule(Name="tenantry-pipeline-failures")
    pattern = json.loads(rule["EventPattern"])
    assert pattern["detail"] == {"pipeline": ["tenantry"], "state": ["FAILED"]}
    (target,) = production.connect("events").list_targets_by_rule(Rule="tenantry-pipeline-failures")[
        "Targets"
    ]
    assert target["Arn"] == f"arn:aws:sns:us-east-1:{ACCOUNT}:tenantry-pipeline"


@pytest.fixture(scope="module")
def moto() -> Iterator[Emulator]:
    with run_moto() as running:
        yield running


@pytest.fixture(scope="module")
def codepipeline(moto: Emulator) -> Any:
    """Return a client of moto with the pipeline of the template."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "codepipeline.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    role = moto.connect("iam").create_role(
        RoleName="tenantry-pipeline", AssumeRolePolicyDocument=json.dumps({"Statement": [statement]})
    )["Role"]["Arn"]
    declaration = build_declaration(
        PIPELINE.template.document["Resources"]["Pipeline"]["Properties"],
        {
            "AWS::AccountId": ACCOUNT,
            "DevAccount": DEV_ACCOUNT,
            "StagingAccount": STAGING_ACCOUNT,
            "Releases": RELEASES,
            "Topic": f"arn:aws:sns:us-east-1:{ACCOUNT}:tenantry-pipeline",
            "AlarmMinutes": "15",
            "Key.Arn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1",
            "PipelineRole.Arn": role,
        },
    )
    client = moto.connect("codepipeline")
    client.create_pipeline(pipeline=declaration)
    return client


def test_codepipeline_reads_the_pipeline_of_the_template(codepipeline: Any) -> None:
    pipeline = codepipeline.get_pipeline(name="tenantry")["pipeline"]
    assert (pipeline["pipelineType"], pipeline["executionMode"]) == ("V2", "SUPERSEDED")
    stages = {stage["name"]: stage for stage in pipeline["stages"]}
    accounts = {"Dev": DEV_ACCOUNT, "Staging": STAGING_ACCOUNT, "Prod": ACCOUNT}
    for name, account in accounts.items():
        assert stages[name]["actions"][0]["roleArn"] == f"arn:aws:iam::{account}:role/tenantry-deploy-action"
        assert stages[name]["onFailure"] == {"result": "ROLLBACK"}


def test_a_start_names_the_release(codepipeline: Any) -> None:
    started = codepipeline.start_pipeline_execution(
        name="tenantry",
        sourceRevisions=[
            {"actionName": "Release", "revisionType": "S3_OBJECT_KEY", "revisionValue": "releases/1.2.3.zip"}
        ],
    )["pipelineExecutionId"]
    execution = codepipeline.get_pipeline_execution(pipelineName="tenantry", pipelineExecutionId=started)
    assert execution["pipelineExecution"]["pipelineName"] == "tenantry"


def to_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
