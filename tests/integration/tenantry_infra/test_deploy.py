"""Tests of how an installation compares Tenants and waits for gradual rollouts: its programs are replaced."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tenantry_infra.stacks import INFRA

NAME, GENERATION = "tenantry-gateway", 4
DEPLOYMENT = {"kind": "Deployment", "metadata": {"name": NAME, "generation": GENERATION}}


def make_rollout(phase: str, generation: int = GENERATION, message: str = "") -> dict[str, Any]:
    status = {"phase": phase, "workloadObservedGeneration": str(generation), "message": message}
    return {"kind": "Rollout", "metadata": {"name": NAME}, "status": status}


REFUSED = "echo 'The connection to the server 10.0.11.5:443 was refused' >&2; exit 1"
"""Answer of ``kubectl`` while the API server does not answer."""


def answer(*ready: str) -> str:
    """Return an answer of ``kubectl``: these Tenants are ready."""
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    items = [{"metadata": {"name": name}, "status": status} for name in ready]
    return f"echo '{json.dumps({'items': items})}'"


def deploy(
    folder: Path,
    *states: dict[str, Any],
    tenants_crd: str = "echo crd",
    rollouts_crd: str = "echo crd",
    before: str = answer(),
    after: str = answer(),
) -> tuple[int, str]:
    """Install a release while the Rollout has one state after the other; return exit status and output.

    Parameters
    ----------
    folder
        Folder of the replaced programs.
    states
        States of the Rollout, one after the other.
    tenants_crd, rollouts_crd
        Answers to the question whether the resource exists.
    before, after
        Answers with the Tenants before and after the upgrade.
    """
    for number, state in enumerate(states):
        items = {"items": [DEPLOYMENT, state]}
        (folder / f"state{number}.json").write_text(json.dumps(items))
    programs = {
        "helm": f'echo "helm $*" >> {folder}/calls.txt',
        "kubectl": f"""case "$*" in
            *rollouts.argoproj.io,deployments*)
                number=$(cat {folder}/number 2>/dev/null || echo 0)
                echo $((number + 1 < {len(states)} ? number + 1 : number)) > {folder}/number
                cat {folder}/state$number.json;;
            *crd*tenants*) {tenants_crd};;
            *crd*rollouts*) {rollouts_crd};;
            *tenants*) if [[ -e {folder}/calls.txt ]]; then {after}; else {before}; fi;;
        esac""",
    }
    for name, body in programs.items():
        (folder / name).write_text(f"#!/bin/bash\n{body}\n")
        (folder / name).chmod(0o755)
    (folder / "tenantry-1.2.3.tgz").touch()
    (folder / "deploy.sh").write_bytes((INFRA / "pipeline" / "deploy.sh").read_bytes())
    done = subprocess.run(
        ["bash", folder / "deploy.sh"],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "POLL_SECONDS": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=30,
    )
    return done.returncode, done.stdout


def list_verbs(folder: Path) -> list[str]:
    file = folder / "calls.txt"
    return [call.split()[1] for call in file.read_text().splitlines()] if file.exists() else []


def test_a_finished_rollout_is_tested(tmp_path: Path) -> None:
    code, output = deploy(tmp_path, make_rollout("Healthy"))
    assert code == 0, output
    assert list_verbs(tmp_path) == ["upgrade", "test"]


def test_the_state_of_the_former_version_is_not_taken_for_the_new_one(tmp_path: Path) -> None:
    code, output = deploy(
        tmp_path,
        make_rollout("Healthy", GENERATION - 1),
        make_rollout("Paused"),
        make_rollout("Progressing"),
        make_rollout("Healthy"),
    )
    assert code == 0, output
    assert (tmp_path / "number").read_text().strip() == "3"


@pytest.mark.parametrize("before", [[], [make_rollout("Paused")]])
def test_a_rollout_that_its_metrics_ended_fails_the_stage(
    tmp_path: Path, before: list[dict[str, Any]]
) -> None:
    code, output = deploy(
        tmp_path, *before, make_rollout("Degraded", message="metric answers-latency failed")
    )
    assert code == 1
    assert f"The gradual rollout failed: {NAME} Degraded metric answers-latency failed" in output
    assert list_verbs(tmp_path) == ["upgrade"]


def test_the_first_installation_finds_no_tenants(tmp_path: Path) -> None:
    code, output = deploy(tmp_path, make_rollout("Healthy"), tenants_crd=":", before=REFUSED)
    assert code == 0, output


def test_without_argo_no_rollout_is_awaited(tmp_path: Path) -> None:
    code, output = deploy(tmp_path, make_rollout("Degraded"), rollouts_crd=":")
    assert code == 0, output


@pytest.mark.parametrize("failing", ["tenants_crd", "before"])
def test_nothing_is_upgraded_while_the_tenants_before_it_are_unknown(tmp_path: Path, failing: str) -> None:
    code, output = deploy(tmp_path, make_rollout("Healthy"), **{failing: REFUSED})
    assert code != 0
    assert "was refused" in output
    assert list_verbs(tmp_path) == []


def test_tenants_that_cannot_be_listed_are_not_called_lost(tmp_path: Path) -> None:
    code, output = deploy(tmp_path, make_rollout("Healthy"), before=answer("a", "b"), after=REFUSED)
    assert code != 0
    assert "The Tenants cannot be listed" in output
    assert "no longer ready" not in output


def test_tenants_that_are_lost_are_named(tmp_path: Path) -> None:
    code, output = deploy(tmp_path, make_rollout("Healthy"), before=answer("a", "b"), after=answer("b", "c"))
    assert code == 1
    assert "Tenants that are no longer ready: a\n" in output


def test_rollouts_that_cannot_be_looked_up_fail_the_stage(tmp_path: Path) -> None:
    code, output = deploy(tmp_path, make_rollout("Healthy"), rollouts_crd=REFUSED)
    assert code != 0
    assert "was refused" in output
    assert "passed" not in output
