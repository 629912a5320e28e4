"""Tests of deployments and removals that die at any of their calls to AWS, and of failing resources."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from tenantry_infra.deployment import Deployment
from tenantry_infra.environment import Environment
from tenantry_infra.removal import StackRemoval
from tenantry_infra.stacks import STACKS

from tests.support.aws.running import Emulator, make_environment_file, open_account, run_emulator
from tests.support.faults.crashes import ProcessKilled

CHANGING = ("Create", "Delete", "Execute", "Set", "Update")
"""Beginnings of the operations that change something. Between two others, a death makes no difference."""


def crash_after_change(last: int, run: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Run, and die after the answer to the n-th change; return False if there are fewer changes."""
    made, call = 0, BaseClient._make_api_call  # type: ignore[attr-defined]

    def make_api_call(client: BaseClient, operation: str, parameters: Any) -> Any:
        nonlocal made
        answer = call(client, operation, parameters)
        if operation.startswith(CHANGING):
            made += 1
            if made == last:
                raise ProcessKilled
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(BaseClient, "_make_api_call", make_api_call)
        try:
            run()
        except ProcessKilled:
            return True
    return False


@pytest.fixture
def _only_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave only the stacks with data, which need the most calls and the least time."""
    few = tuple(stack for stack in STACKS if stack.name in ("storage", "registry"))
    monkeypatch.setattr(Environment, "stacks", property(lambda _: few))


def ignore(_stack: str, _text: str) -> None: ...


def list_states(emulator: Emulator, account: str) -> dict[str, Any]:
    found = emulator.connect("cloudformation", account).describe_stacks()["Stacks"]
    return {
        stack["StackName"]: (stack["StackStatus"], stack["EnableTerminationProtection"])
        for stack in found
        if stack["StackStatus"] != "DELETE_COMPLETE"
    }


def make_account_file(folder: Path, number: str) -> Path:
    """Write an environment of a separate account. Names of buckets are global, so its buckets differ."""
    names = {name: f"{name.lower()}-{number}" for name in ("DocumentsBucket", "FilesBucket", "LogsBucket")}
    return make_environment_file(folder, account=number, storage=names)


@pytest.mark.usefixtures("_only_data")
def test_a_deployment_that_dies_after_any_change_is_continued(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each number of changes has a separate account, so each death meets an empty one."""
    undisturbed = list_states_after_deployment(emulator, tmp_path, monkeypatch)
    last = 0
    while True:
        last += 1
        number = f"{200000000000 + last}"
        file = make_account_file(tmp_path, number)
        account = open_account(emulator, file, monkeypatch)
        died = crash_after_change(last, Deployment(account, ignore).deploy, monkeypatch)
        Deployment(open_account(emulator, file, monkeypatch), ignore).deploy()
        assert list_states(emulator, number) == undisturbed, f"died after change {last}"
        if not died:
            break
    assert last > 8


def list_states_after_deployment(
    emulator: Emulator, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    file = make_account_file(folder, "200000000000")
    Deployment(open_account(emulator, file, monkeypatch), ignore).deploy()
    return list_states(emulator, "200000000000")


@pytest.mark.usefixtures("_only_data")
def test_a_removal_that_dies_after_any_change_is_continued(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = 0
    while True:
        last += 1
        number = f"{300000000000 + last}"
        file = make_account_file(tmp_path, number)
        account = open_account(emulator, file, monkeypatch)
        Deployment(account, ignore).deploy()
        died = crash_after_change(last, StackRemoval(account, ignore, delete_data=True).remove, monkeypatch)
        StackRemoval(open_account(emulator, file, monkeypatch), ignore, delete_data=True).remove()
        assert list_states(emulator, number) == {}, f"died after change {last}"
        assert emulator.connect("s3", number).list_buckets()["Buckets"] == [], f"died after change {last}"
        if not died:
            break
    assert last > 5


@pytest.fixture(scope="module")
def failing() -> Iterator[Emulator]:
    with run_emulator(EMULATOR_FAILING_TYPE="AWS::EC2::NatGateway") as running:
        yield running


def test_a_bucket_of_another_account_is_named(emulator: Emulator, tmp_path: Path) -> None:
    emulator.connect("s3", "400000000000").create_bucket(Bucket="taken-by-another-account")
    names = {"DocumentsBucket": "taken-by-another-account", "FilesBucket": "files-4", "LogsBucket": "logs-4"}
    status, output = emulator.run_command("up", str(make_environment_file(tmp_path, storage=names)))
    assert status == 1
    assert "Documents (AWS::S3::Bucket): Resource of type 'AWS::S3::Bucket' with identifier " in output
    assert "'taken-by-another-account' already exists" in output


def test_a_failed_creation_names_its_cause_and_is_repeated(failing: Emulator, tmp_path: Path) -> None:
    file = str(make_environment_file(tmp_path))
    for _ in range(2):
        status, output = failing.run_command("up", file)
        assert status == 1
        assert "tenantry-dev-network failed and is ROLLBACK_COMPLETE:" in output
        assert "NatGatewayA (AWS::EC2::NatGateway): You have reached the limit of these resources." in output
    assert "network      ROLLBACK_COMPLETE: deleting the rest of a failed creation" in output
