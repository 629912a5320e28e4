"""Tests of deployments and removals that die at any of their calls to AWS, and of failing resources."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from tenantry_infra.deployment import Deployment
from tenantry_infra.environment import Environment
from tenantry_infra.removal import StackRemoval
from tenantry_infra.stacks import STACKS

from tests.support.aws.emulator import FAILING_ACCOUNT
from tests.support.aws.running import Emulator, make_environment_file, open_account
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
    """Leave only one stack with data, which needs all kinds of calls."""
    few = tuple(stack for stack in STACKS if stack.name == "storage")
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
    assert last > 4


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


def test_a_failed_creation_names_its_cause_and_is_repeated(emulator: Emulator, tmp_path: Path) -> None:
    failing = replace(emulator, account=FAILING_ACCOUNT)
    file = str(make_environment_file(tmp_path, account=FAILING_ACCOUNT))
    for _ in range(2):
        status, output = failing.run_command("up", file)
        assert status == 1
        assert "tenantry-dev-network failed and is ROLLBACK_COMPLETE:" in output
        assert "NatGatewayA (AWS::EC2::NatGateway): You have reached the limit of NAT gateways." in output
    assert "network      ROLLBACK_COMPLETE: deleting the rest of a failed creation" in output
