"""Tests of the pipeline, and of the account in which it installs a release, in their templates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tenantry_infra.environment import Environment, find_environment
from tenantry_infra.errors import DeploymentError
from tenantry_infra.stacks import STACKS

(PIPELINE,) = (stack for stack in STACKS if stack.name == "pipeline")
(DEPLOYER,) = (stack for stack in STACKS if stack.name == "deployer")
(OBSERVABILITY,) = (stack for stack in STACKS if stack.name == "observability")
RESOURCES = PIPELINE.template.document["Resources"]
STAGES = {stage["Name"]: stage for stage in RESOURCES["Pipeline"]["Properties"]["Stages"]}
ACCOUNTS = {"Dev": "DevAccount", "Staging": "StagingAccount", "Prod": "AWS::AccountId"}
"""Stages that install a release, and the parameter with their account."""

ALARMS = ("AnswersVerySlow", "ErrorRateHigh", "IsolationViolation")
"""Alarms that block a stage. After a deployment, missing metrics roll it back, too."""

MAX_RULES = 5
"""Rules of a condition that CodePipeline accepts."""

PARAMETERS = {
    "deployer": {"PipelineAccount": "123456789012", "PipelineBucket": "the-releases"},
    "pipeline": {
        "Repository": "owner/name",
        "PipelineBucket": "the-releases",
        "DevAccount": "111111111111",
        "StagingAccount": "222222222222",
    },
}

deploys = pytest.mark.parametrize("stage", ACCOUNTS)


def load_environment(folder: Path, **parameters: dict[str, Any]) -> Environment:
    document = yaml.safe_load(find_environment("prod").read_text())
    document["parameters"] |= parameters
    file = folder / "prod.yaml"
    file.write_text(yaml.safe_dump(document))
    return Environment.load(file)


def list_names(environment: Environment) -> set[str]:
    return {stack.name for stack in environment.stacks}


def test_only_an_environment_with_parameters_of_the_pipeline_has_one(tmp_path: Path) -> None:
    assert not list_names(load_environment(tmp_path)) & {"deployer", "pipeline"}
    assert list_names(load_environment(tmp_path, **PARAMETERS)) >= {"deployer", "pipeline"}


@pytest.mark.parametrize(
    "repository",
    [
        "name",
        "owner/*",
        "*/*",
        "owner/name:ref:refs/heads/main",
        "owner@*/name@1",
        "own er/name",
        "owner/name@",
    ],
)
def test_a_repository_that_would_trust_others_is_refused(tmp_path: Path, repository: str) -> None:
    pipeline = PARAMETERS["pipeline"] | {"Repository": repository}
    with pytest.raises(DeploymentError, match=r"parameters\.pipeline\.Repository: must match"):
        load_environment(tmp_path, deployer=PARAMETERS["deployer"], pipeline=pipeline)


def test_a_release_passes_dev_staging_and_an_approval_before_production() -> None:
    assert list(STAGES) == ["Source", "Dev", "Staging", "Approval", "Prod"]
    (approval,) = STAGES["Approval"]["Actions"]
    assert approval["ActionTypeId"]["Provider"] == "Manual"
    assert approval["Configuration"]["NotificationArn"] == {"Ref": "Topic"}


def test_rollbacks_are_possible() -> None:
    properties = RESOURCES["Pipeline"]["Properties"]
    assert properties["PipelineType"] == "V2"
    assert properties["ExecutionMode"] != "PARALLEL"


def test_all_stages_install_the_release_that_a_start_names() -> None:
    (source,) = STAGES["Source"]["Actions"]
    assert source["Configuration"]["AllowOverrideForS3ObjectKey"] == "true"
    assert source["Configuration"]["PollForSourceChanges"] == "false"
    for stage in ACCOUNTS:
        (action,) = STAGES[stage]["Actions"]
        assert action["InputArtifacts"] == source["OutputArtifacts"]
        assert "OutputArtifacts" not in action


@deploys
def test_a_stage_runs_the_project_of_its_account(stage: str) -> None:
    role = {"Fn::Sub": f"arn:aws:iam::${{{ACCOUNTS[stage]}}}:role/tenantry-deploy-action"}
    (action,) = STAGES[stage]["Actions"]
    assert action["RoleArn"] == role
    assert action["Configuration"] == {"ProjectName": "tenantry-deploy"}
    assert (
        role
        in RESOURCES["PipelineRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][4][
            "Resource"
        ]
    )


@deploys
def test_an_alarm_of_the_environment_blocks_a_stage_and_rolls_it_back(stage: str) -> None:
    assert STAGES[stage]["OnFailure"] == {"Result": "ROLLBACK"}
    (before,) = STAGES[stage]["BeforeEntry"]["Conditions"]
    (after,) = STAGES[stage]["OnSuccess"]["Conditions"]
    assert (before["Result"], after["Result"]) == ("FAIL", "ROLLBACK")
    for condition, alarms in ((before, ALARMS), (after, (*ALARMS, "MetricsMissing"))):
        names = [rule["Configuration"]["AlarmName"] for rule in condition["Rules"]]
        assert names == [f"tenantry-{stage.lower()}-{alarm}" for alarm in alarms]
        assert [rule["Name"] for rule in condition["Rules"]] == list(alarms)
        assert len(names) <= MAX_RULES
        for rule in condition["Rules"]:
            assert rule["RuleTypeId"]["Provider"] == "CloudWatchAlarm"
            assert rule["Configuration"]["AlarmStates"] == "ALARM"
            assert rule["RoleArn"] == STAGES[stage]["Actions"][0]["RoleArn"]
    for rule in after["Rules"]:
        assert rule["Configuration"]["WaitTime"] == {"Ref": "AlarmMinutes"}


def test_the_alarms_exist_and_are_no_composite_alarms() -> None:
    resources = OBSERVABILITY.template.document["Resources"].values()
    names = [
        each["Properties"]["AlarmName"] for each in resources if each["Type"] == "AWS::CloudWatch::Alarm"
    ]
    assert {f"tenantry-${{Environment}}-{alarm}" for alarm in (*ALARMS, "MetricsMissing")} <= {
        name["Fn::Sub"] for name in names
    }


def test_the_role_of_a_stage_may_read_the_alarms_that_it_names() -> None:
    role = DEPLOYER.template.document["Resources"]["ActionRole"]["Properties"]
    statements = {each["Sid"]: each for each in role["Policies"][0]["PolicyDocument"]["Statement"]}
    assert statements["ReadAlarms"]["Action"] == "cloudwatch:DescribeAlarms"
    assert statements["ReadAlarms"]["Resource"]["Fn::Sub"].endswith(":alarm:tenantry-*")


def test_releases_are_encrypted_by_a_key_that_other_accounts_may_use() -> None:
    (rule,) = RESOURCES["Releases"]["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": {"Fn::GetAtt": ["Key", "Arn"]},
    }
    store = RESOURCES["Pipeline"]["Properties"]["ArtifactStore"]
    assert store["EncryptionKey"] == {"Type": "KMS", "Id": {"Fn::GetAtt": ["Key", "Arn"]}}


def test_a_release_cannot_be_replaced() -> None:
    statements = {
        each["Sid"]: each for each in RESOURCES["ReleasesPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    }
    assert statements["DenyOverwriting"]["Condition"] == {"Null": {"s3:if-none-match": "true"}}
    assert statements["DenyOverwriting"]["Effect"] == "Deny"


def test_two_upgrades_of_a_release_exclude_each_other() -> None:
    project = DEPLOYER.template.document["Resources"]["Project"]["Properties"]
    assert project["ConcurrentBuildLimit"] == 1


def test_a_project_runs_in_the_application_subnets_and_stores_no_artifact() -> None:
    project = DEPLOYER.template.document["Resources"]["Project"]["Properties"]
    assert project["VpcConfig"] == {
        "VpcId": {"Ref": "VpcId"},
        "Subnets": {"Ref": "AppSubnets"},
        "SecurityGroupIds": [{"Fn::GetAtt": ["SecurityGroup", "GroupId"]}],
    }
    assert project["Artifacts"] == {"Type": "CODEPIPELINE"}
    assert "PrivilegedMode" not in project["Environment"]


def list_event_topics() -> list[tuple[str, Mapping[str, Any], str]]:
    """Return template, resources and topic of each rule of EventBridge that sends messages."""
    templates = {stack.template_file.name: stack.template.document["Resources"] for stack in STACKS}
    return [
        (name, resources, target["Arn"]["Ref"])
        for name, resources in templates.items()
        for rule in resources.values()
        if rule["Type"] == "AWS::Events::Rule"
        for target in rule["Properties"]["Targets"]
        if resources.get(target["Arn"].get("Ref"), {}).get("Type") == "AWS::SNS::Topic"
    ]


def test_a_rule_of_eventbridge_sends_messages() -> None:
    assert ("pipeline.yaml", "Topic") in {(name, topic) for name, _, topic in list_event_topics()}


@pytest.mark.parametrize(("name", "resources", "topic"), list_event_topics())
def test_eventbridge_may_use_the_key_of_its_topic(
    name: str, resources: Mapping[str, Any], topic: str
) -> None:
    key = resources[topic]["Properties"]["KmsMasterKeyId"]["Ref"]
    statements = resources[key]["Properties"]["KeyPolicy"]["Statement"]
    assert [each["Action"] for each in statements if is_for_eventbridge(each)] == [
        ["kms:Decrypt", "kms:GenerateDataKey"]
    ], name


def test_no_key_policy_asks_eventbridge_for_its_source() -> None:
    """SNS loses messages of EventBridge if the key of the topic asks for their source."""
    statements = [
        statement
        for stack in STACKS
        for resource in stack.template.document["Resources"].values()
        if resource["Type"] == "AWS::KMS::Key"
        for statement in resource["Properties"]["KeyPolicy"]["Statement"]
        if is_for_eventbridge(statement)
    ]
    assert statements
    assert [each["Sid"] for each in statements if "aws:Source" in str(each.get("Condition"))] == []


def test_only_the_rule_of_failures_may_publish() -> None:
    (statement,) = RESOURCES["TopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["Failures", "Arn"]}}}


def is_for_eventbridge(statement: Mapping[str, Any]) -> bool:
    return "events.amazonaws.com" in str(statement["Principal"])
