"""Tests of how an installation waits for gradual rollouts: ``helm`` and ``kubectl`` are replaced."""

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


def deploy(folder: Path, *states: dict[str, Any]) -> tuple[int, str]:
    """Install a release while the Rollout has one state after the other; return exit status and output."""
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
            *tenants*) echo '{{"items": []}}';;
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
    return [call.split()[1] for call in (folder / "calls.txt").read_text().splitlines()]


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
