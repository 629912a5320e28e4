"""Tests of stacks that exist although the environment's file does not describe them any more."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.aws.running import Emulator, create_hosted_zone, make_environment_file

BUCKETS = ("DocumentsBucket", "FilesBucket", "LogsBucket")
ACCOUNT, REPLICA, OTHER_REPLICA = "666677778888", "us-west-2", "eu-west-1"
DNS, EDGE_GLOBAL = "tenantry-staging-dns in eu-central-1", "tenantry-staging-edge-global in us-east-1"
COPIES = f"tenantry-staging-replica in {REPLICA}"
DEPLOYER = "tenantry-staging-deployer in eu-central-1"


@pytest.fixture(scope="module")
def aws(emulator: Emulator) -> Emulator:
    return replace(emulator, account=ACCOUNT)


@pytest.fixture(scope="module")
def file(aws: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of staging in Europe, deployed with everything that is optional but a pipeline."""
    edge = {"host": "chat.example.org", "hostedZoneId": create_hosted_zone(aws, "example.org")}
    file = make_environment_file(
        tmp_path_factory.mktemp("orphans"), "staging", ACCOUNT,
        fields={"region": "eu-central-1", "edge": edge, "replicaRegion": REPLICA},
        network={"LoadBalancerPrefixList": "pl-a3a144ca"},
        storage={name: f"orphans-{name.lower()}" for name in BUCKETS},
        replica={"ReplicaBucket": "orphans-copies"},
        deployer={"PipelineAccount": ACCOUNT, "PipelineBucket": "orphans-releases"},
    )  # fmt: skip
    status, output = aws.run_command("up", str(file))
    assert status == 0, output
    return file


@contextmanager
def change(file: Path, *, removed: tuple[str, ...] = (), **fields: Any) -> Iterator[str]:
    """Change the environment's file for a while: without fields or parameters, and with other fields."""
    former = file.read_text()
    document = yaml.safe_load(former)
    for name in removed:
        document.pop(name, None)
        document["parameters"].pop(name, None)
    file.write_text(yaml.safe_dump(document | fields))
    try:
        yield str(file)
    finally:
        file.write_text(former)


def list_changes(aws: Emulator) -> list[str]:
    """Return the events of all stacks."""
    return [
        event["EventId"]
        for region in ("eu-central-1", "us-east-1", REPLICA)
        for stack in aws.connect("cloudformation", region=region).describe_stacks()["Stacks"]
        for event in aws.connect("cloudformation", region=region).describe_stack_events(
            StackName=stack["StackId"]
        )["StackEvents"]
    ]


def test_a_complete_file_has_no_orphans(aws: Emulator, file: Path) -> None:
    status, output = aws.run_command("status", str(file))
    assert status == 0, output
    assert "does not describe" not in output


@pytest.mark.parametrize(
    ("changed", "orphans"),
    [
        pytest.param({"removed": ("edge",)}, (DNS, EDGE_GLOBAL), id="edge"),
        pytest.param({"removed": ("replicaRegion", "replica")}, (COPIES,), id="replica"),
        pytest.param({"replicaRegion": OTHER_REPLICA}, (COPIES,), id="moved-replica"),
        pytest.param({"removed": ("deployer",)}, (DEPLOYER,), id="deployer"),
    ],
)
def test_an_orphan_is_named_and_nothing_is_changed(
    aws: Emulator, file: Path, changed: dict[str, Any], orphans: tuple[str, ...]
) -> None:
    before = list_changes(aws)
    with change(file, **changed) as path:
        for command in (("plan",), ("status",), ("up",), ("down", "--yes")):
            status, output = aws.run_command(command[0], path, *command[1:])
            assert [orphan for orphan in orphans if orphan not in output] == [], command
            assert status == (0 if command == ("plan",) else 1)
            assert "Traceback" not in output
    assert list_changes(aws) == before


def test_orphans_are_named_in_the_order_of_their_deletion(aws: Emulator, file: Path) -> None:
    with change(file, removed=("edge",)) as path:
        output = aws.run_command("up", path)[1]
    names = ("dns in", "edge-global in", "web-acl-global in", "edge in", "web-acl in")
    positions = [output.index(f"tenantry-staging-{name}") for name in names]
    assert positions == sorted(positions)


def test_stacks_of_other_environments_are_no_orphans(aws: Emulator, file: Path) -> None:
    aws.connect("cloudformation", region="eu-central-1").create_stack(
        StackName="tenantry-staging-eu-keys",
        TemplateBody='{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}',
        Tags=[{"Key": "application", "Value": "tenantry"}, {"Key": "environment", "Value": "staging-eu"}],
    )
    status, output = aws.run_command("status", str(file))
    assert status == 0, output


def test_the_cluster_stops_a_removal(aws: Emulator, file: Path) -> None:
    eks = aws.connect("eks", region="eu-central-1")
    eks.create_cluster(
        name="tenantry-staging", roleArn=f"arn:aws:iam::{ACCOUNT}:role/cluster", resourcesVpcConfig={}
    )
    before = list_changes(aws)
    for arguments in ((), ("--delete-data", "staging")):
        status, output = aws.run_command("down", str(file), "--yes", *arguments)
        assert status == 1
        assert "eksctl delete cluster --name tenantry-staging --region eu-central-1 --wait" in output
        assert "Nothing was removed" in output
    assert list_changes(aws) == before

    eks.delete_cluster(name="tenantry-staging")
    assert "eksctl delete cluster" not in aws.run_command("down", str(file), "--yes")[1]
