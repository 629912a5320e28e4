"""Tests of the adapter of CloudFormation in situations that the emulator does not have."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from tenantry_infra.cloudformation import CloudFormation, ResourceChange, StackPhase, StackState
from tenantry_infra.errors import DeploymentError


class ScriptedClient:
    """Client that answers with one status after the other, and repeats the last one."""

    def __init__(self, *statuses: str) -> None:
        self._statuses = list(statuses)

    def describe_stacks(self, **arguments: str) -> Any:
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        if status == "ABSENT":
            message = f"Stack with id {arguments['StackName']} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")
        return {"Stacks": [{"StackStatus": status}]}

    def describe_stack_events(self, **_arguments: str) -> Any:
        return {"StackEvents": []}

    def get_paginator(self, _operation: str) -> Any:
        return self

    def paginate(self, **_arguments: Any) -> Any:
        return []


class Waiter:
    """Clock that the pauses of a test advance."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def open(self, *statuses: str) -> CloudFormation:
        client: Any = ScriptedClient(*statuses)
        return CloudFormation(client, sleep=self.sleep, now=lambda: self.now)


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("ABSENT", StackPhase.ABSENT),
        ("DELETE_COMPLETE", StackPhase.ABSENT),
        ("REVIEW_IN_PROGRESS", StackPhase.REVIEWED),
        ("CREATE_IN_PROGRESS", StackPhase.BUSY),
        ("ROLLBACK_IN_PROGRESS", StackPhase.BUSY),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", StackPhase.BUSY),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", StackPhase.BUSY),
        ("DELETE_IN_PROGRESS", StackPhase.BUSY),
        ("CREATE_COMPLETE", StackPhase.READY),
        ("UPDATE_COMPLETE", StackPhase.READY),
        ("UPDATE_ROLLBACK_COMPLETE", StackPhase.READY),
        ("ROLLBACK_COMPLETE", StackPhase.CREATION_FAILED),
        ("ROLLBACK_FAILED", StackPhase.CREATION_FAILED),
        ("CREATE_FAILED", StackPhase.CREATION_FAILED),
        ("UPDATE_ROLLBACK_FAILED", StackPhase.STUCK),
        ("DELETE_FAILED", StackPhase.STUCK),
        ("A_STATUS_OF_THE_FUTURE", StackPhase.STUCK),
    ],
)
def test_each_status_has_a_phase(status: str, phase: StackPhase) -> None:
    assert StackState(status).phase is phase


def test_a_missing_stack_is_absent() -> None:
    assert Waiter().open("ABSENT").get_state("tenantry-dev-network").phase is StackPhase.ABSENT


def test_a_wait_continues_while_an_executed_stack_is_still_under_review() -> None:
    waiter = Waiter()
    cloudformation = waiter.open("REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE")
    assert cloudformation.wait("s", lambda _: None, "").status == "CREATE_COMPLETE"


def test_pauses_between_polls_grow_to_five_seconds() -> None:
    waiter = Waiter()
    waiter.open(*["CREATE_IN_PROGRESS"] * 20, "CREATE_COMPLETE").wait("s", lambda _: None, "")
    assert waiter.pauses[0] < 1
    assert waiter.pauses == sorted(waiter.pauses)
    assert waiter.pauses[-1] == 5


def test_an_operation_that_never_ends_is_left_to_cloudformation() -> None:
    waiter = Waiter()
    with pytest.raises(DeploymentError, match=r"still UPDATE_IN_PROGRESS after 90 minutes.*again"):
        waiter.open("UPDATE_IN_PROGRESS").wait("s", lambda _: None, "")
    assert waiter.now >= 5400


@pytest.mark.parametrize(
    ("change", "loses"),
    [
        (ResourceChange("Add", "Documents", "AWS::S3::Bucket"), False),
        (ResourceChange("Modify", "Documents", "AWS::S3::Bucket", "False", ("Tags",)), False),
        (ResourceChange("Modify", "Documents", "AWS::S3::Bucket", "Conditional", ("Tags",)), False),
        (ResourceChange("Modify", "Documents", "AWS::S3::Bucket", "Conditional", ("BucketName",)), True),
        (ResourceChange("Modify", "Documents", "AWS::S3::Bucket", "True", ("BucketName",)), True),
        (ResourceChange("Modify", "Database", "AWS::RDS::DBInstance", "True", ("KmsKeyId",)), True),
        (ResourceChange("Modify", "DataKey", "AWS::KMS::Key", "False", ("KeyPolicy",)), False),
        (ResourceChange("Remove", "Documents", "AWS::S3::Bucket"), True),
        (ResourceChange("Remove", "Policy", "AWS::S3::BucketPolicy"), False),
        (ResourceChange("Modify", "Vpc", "AWS::EC2::VPC", "True", ("CidrBlock",)), False),
    ],
)  # fmt: skip
def test_a_change_that_loses_data_is_recognized(change: ResourceChange, loses: bool) -> None:
    assert change.loses_data is loses
