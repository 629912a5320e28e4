"""Tests of the commands, run as programs against an emulator of AWS."""

import re
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tenantry_infra.stacks import STACKS

from tests.support.aws.emulator import SLOW_ACCOUNT
from tests.support.aws.running import Emulator, make_environment_file

SECRET = "secret-of-the-emulator"
DOCUMENT = {"Bucket": "digital-twin-docs-dev", "Key": "tenant-a/p/documents/d/report.txt"}


@pytest.fixture(scope="module")
def aws(emulator: Emulator) -> Emulator:
    """Return the emulator with an account in which the creation of a flow log takes some seconds."""
    return replace(emulator, account=SLOW_ACCOUNT)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_environment_file(tmp_path_factory.mktemp("dev"), account=SLOW_ACCOUNT))


def list_stacks(aws: Emulator) -> dict[str, str]:
    found = aws.connect("cloudformation").describe_stacks()["Stacks"]
    return {
        stack["StackName"].removeprefix("tenantry-dev-"): stack["StackStatus"]
        for stack in found
        if stack["StackStatus"] != "DELETE_COMPLETE"
    }


def test_a_plan_of_an_empty_account_lists_the_resources_and_creates_nothing(aws: Emulator, file: str) -> None:
    status, output = aws.run_command("plan", file)
    assert status == 0
    assert output.startswith(
        f"Environment dev: account {SLOW_ACCOUNT}, us-east-1, as arn:aws:iam::{SLOW_ACCOUNT}:root\n"
    )
    assert "+ Documents (AWS::S3::Bucket)" in output
    assert "NatGatewayA" in output
    assert "NatGatewayB" not in output, "dev has one NAT gateway"
    assert re.search(r"^keys .*\n  about \$3 a month\n", output, re.MULTILINE)
    assert re.search(
        r"^cluster +created by eksctl, about \$\d+ a month\nTogether about \$\d+ a month",
        output,
        re.MULTILINE,
    )
    assert list_stacks(aws) == {}


def test_zones_that_eks_refuses_are_refused_before_any_stack(aws: Emulator, tmp_path: Path) -> None:
    # The emulator's us-west-1b is usw1-az2.
    file = str(make_environment_file(tmp_path, account=SLOW_ACCOUNT, fields={"region": "us-west-1"}))
    for command in ("plan", "up"):
        status, output = aws.run_command(command, file)
        assert status == 1
        assert "EKS creates no cluster in us-west-1b (usw1-az2). Set parameters.network.Zones" in output
    assert aws.connect("cloudformation", region="us-west-1").describe_stacks()["Stacks"] == []
    zones = {"Zones": ["us-west-1a", "us-west-1c"]}
    file = str(
        make_environment_file(tmp_path, account=SLOW_ACCOUNT, fields={"region": "us-west-1"}, network=zones)
    )
    assert aws.run_command("plan", file)[0] == 0


def test_a_killed_deployment_is_continued_while_its_stack_is_being_created(aws: Emulator, file: str) -> None:
    process = aws.start_command("up", file)
    assert process.stdout
    for line in process.stdout:
        if "CREATE_IN_PROGRESS   FlowLog " in line:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert list_stacks(aws) == {"keys": "CREATE_COMPLETE", "network": "CREATE_IN_PROGRESS"}

    status, output = aws.run_command("up", file)
    assert status == 0, output
    assert "network      CREATE_IN_PROGRESS: waiting for an operation that is already running" in output
    assert "CREATE_COMPLETE      FlowLog" in output
    assert re.search(r"^network      no change, about \$\d+ a month$", output, re.MULTILINE)
    assert set(list_stacks(aws).values()) == {"CREATE_COMPLETE"}


def test_a_second_deployment_changes_nothing(aws: Emulator, file: str) -> None:
    before = list_stack_events(aws)
    status, output = aws.run_command("up", file)
    assert status == 0
    assert output.count("no change") == len(list_stacks(aws))
    assert list_stack_events(aws) == before


def test_a_plan_shows_a_change_and_its_resource(aws: Emulator, tmp_path: Path) -> None:
    changed = make_environment_file(tmp_path, account=SLOW_ACCOUNT, storage={"LogDays": 60})
    before = list_stack_events(aws)
    status, output = aws.run_command("plan", str(changed))
    assert status == 0
    assert "  ~ Logs (AWS::S3::Bucket), may replace it: LifecycleConfiguration\n" in output
    assert output.count("no change") == len(list_stacks(aws)) - 1
    assert list_stack_events(aws) == before
    summaries = aws.connect("cloudformation").list_change_sets(StackName="tenantry-dev-storage")["Summaries"]
    assert [each for each in summaries if each["ExecutionStatus"] == "AVAILABLE"] == []


def test_a_plan_shows_what_a_change_costs(aws: Emulator, tmp_path: Path) -> None:
    changed = make_environment_file(tmp_path, account=SLOW_ACCOUNT, network={"NatGateways": "per-zone"})
    output = aws.run_command("plan", str(changed))[1]
    assert re.search(r"^network .*\n  about \$\d+ a month: \$36 more than now\n", output, re.MULTILINE)
    assert output.count("more than now") == 1


def test_a_change_that_would_lose_documents_is_refused(aws: Emulator, tmp_path: Path) -> None:
    renamed = str(
        make_environment_file(tmp_path, account=SLOW_ACCOUNT, storage={"DocumentsBucket": "another-name"})
    )
    assert "REFUSED: its data would be lost" in aws.run_command("plan", renamed)[1]
    status, output = aws.run_command("up", renamed)
    assert status == 1
    assert "storage: the change would delete or replace Documents and lose its data" in output
    assert "Traceback" not in output
    assert [bucket["Name"] for bucket in aws.connect("s3").list_buckets()["Buckets"]].count(
        "another-name"
    ) == 0


def test_stacks_with_data_are_protected_also_from_the_console(aws: Emulator) -> None:
    cloudformation = aws.connect("cloudformation")
    for stack in cloudformation.describe_stacks()["Stacks"]:
        name = stack["StackName"].removeprefix("tenantry-dev-")
        holds_data = next(each.holds_data for each in STACKS if each.name == name)
        assert stack["EnableTerminationProtection"] is holds_data
        policy = cloudformation.get_stack_policy(StackName=stack["StackName"]).get("StackPolicyBody", "")
        assert ("Update:Replace" in policy) is holds_data


def test_the_state_is_shown(aws: Emulator, file: str) -> None:
    status, output = aws.run_command("status", file)
    assert status == 0
    for stack in list_stacks(aws):
        assert stack in output


def test_the_values_of_the_chart_are_written(aws: Emulator, file: str, tmp_path: Path) -> None:
    written = tmp_path / "values.yaml"
    status, output = aws.run_command("values", file, "--file", str(written))
    assert status == 0
    assert str(written) in output
    values = yaml.safe_load(written.read_text())
    assert values["global"]["aws"]["documentsBucket"] == "digital-twin-docs-dev"
    assert values["global"]["network"]["loadBalancer"]["cidrs"] == ["10.0.1.0/24", "10.0.2.0/24"]
    assert values["gateway"]["image"]["repository"].endswith("/tenantry/gateway")


def test_other_credentials_are_refused_before_any_change(aws: Emulator, tmp_path: Path) -> None:
    other = str(make_environment_file(tmp_path, account="999988887777"))
    for command in ("plan", "up", "status", "down"):
        status, output = aws.run_command(command, other)
        assert status == 1
        assert f"dev is in account 999988887777, but your credentials belong to {SLOW_ACCOUNT}" in output


def test_an_environment_without_an_account_says_which_one_the_credentials_have(aws: Emulator) -> None:
    status, output = aws.run_command("up", "dev")
    assert status == 1
    assert f'set account: "{SLOW_ACCOUNT}"' in output


def test_a_removal_keeps_documents(aws: Emulator, file: str) -> None:
    s3 = aws.connect("s3")
    s3.put_object(**DOCUMENT, Body=b"a document")
    status, output = aws.run_command("down", file, "--yes")
    assert status == 0, output
    assert "storage      stays" in output
    kept = {stack.name for stack in STACKS if stack.holds_data}
    assert set(list_stacks(aws)) <= kept | {
        other for stack in STACKS if stack.name in kept for other in stack.needs
    }
    assert s3.get_object(**DOCUMENT)["Body"].read() == b"a document"

    assert "nothing to remove" in aws.run_command("down", file, "--yes")[1]
    status, output = aws.run_command("up", file)
    assert status == 0, output
    assert s3.get_object(**DOCUMENT)["Body"].read() == b"a document"


def test_data_is_removed_only_on_demand_and_when_it_is_gone(aws: Emulator, file: str, tmp_path: Path) -> None:
    s3 = aws.connect("s3")
    assert "must repeat" in aws.run_command("down", file, "--yes", "--delete-data", "prod")[1]
    before = list_stacks(aws)
    status, output = aws.run_command("down", file, "--yes", "--delete-data", "dev")
    assert status == 1
    assert "protected from deletion: tenantry-dev. Nothing was removed" in output
    assert list_stacks(aws) == before

    file = str(make_environment_file(tmp_path, account=SLOW_ACCOUNT, data={"DeletionProtection": False}))
    assert aws.run_command("up", file)[0] == 0
    before = list_stacks(aws)
    status, output = aws.run_command("down", file, "--yes", "--delete-data", "dev")
    assert status == 1
    assert "not empty: digital-twin-docs-dev" in output
    assert list_stacks(aws) == before

    # A deletion in S3 keeps the version, so the bucket is not empty yet.
    s3.delete_object(**DOCUMENT)
    assert aws.run_command("down", file, "--yes", "--delete-data", "dev")[0] == 1
    delete_versions(s3)
    status, output = aws.run_command("down", file, "--yes", "--delete-data", "dev")
    assert status == 0, output
    assert list_stacks(aws) == {}
    assert s3.list_buckets()["Buckets"] == []
    assert aws.connect("ecr").describe_repositories()["repositories"] == []
    # The database leaves a snapshot, and the key with which it is encrypted.
    (snapshot,) = aws.connect("rds").describe_db_snapshots()["DBSnapshots"]
    assert snapshot["DBInstanceIdentifier"] == "tenantry-dev"
    assert "stays, because snapshots are encrypted with it" in output
    assert len(aws.connect("kms").list_keys()["Keys"]) == 3


def test_no_secret_is_printed(aws: Emulator, file: str) -> None:
    for command in ("plan", "status"):
        assert SECRET not in aws.run_command(command, file)[1]


def list_stack_events(aws: Emulator) -> list[str]:
    cloudformation = aws.connect("cloudformation")
    return [
        event["EventId"]
        for name in list_stacks(aws)
        for event in cloudformation.describe_stack_events(StackName=f"tenantry-dev-{name}")["StackEvents"]
    ]


def delete_versions(s3: Any) -> None:
    found = s3.list_object_versions(Bucket=DOCUMENT["Bucket"])
    for each in (*found.get("Versions", []), *found.get("DeleteMarkers", [])):
        s3.delete_object(Bucket=DOCUMENT["Bucket"], Key=each["Key"], VersionId=each["VersionId"])
