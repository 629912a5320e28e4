"""Tests of the GitHub workflows: actionlint, pinned actions, and the order of publishing."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tenantry_local.context import REPOSITORY

from tools.linters import actionlint

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").iterdir())


def _run_actionlint(file: Path) -> str:
    program = actionlint.install(lambda _: None)
    return subprocess.run([program, file], capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_actionlint_accepts_each_workflow(file: Path) -> None:
    assert not _run_actionlint(file)


def test_actionlint_detects_a_wrong_key(tmp_path: Path) -> None:
    (wrong := tmp_path / "wrong.yaml").write_text(WORKFLOWS[0].read_text().replace("runs-on:", "runs-in:", 1))
    assert "runs-in" in _run_actionlint(wrong)


def read_jobs() -> dict[str, Any]:
    jobs: dict[str, Any] = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yaml").read_text())["jobs"]
    return jobs


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_actions_of_others_are_pinned_by_commit(file: Path) -> None:
    for action, version in re.findall(r"uses: (\S+)@(\S+)", file.read_text()):
        if action.partition("/")[0] not in ("actions", "docker", "helm"):
            assert re.fullmatch("[0-9a-f]{40}", version), action


def test_an_image_gets_its_version_only_after_scan_and_signature() -> None:
    steps = read_jobs()["images"]["steps"]
    texts = [f"{step.get('uses', '')} {step.get('run', '')} {step.get('with', '')}" for step in steps]
    order = [
        next(number for number, text in enumerate(texts) if part in text)
        for part in ("docker/build-push-action", '"$GRYPE"', "cosign sign", '--tag "$IMAGE:$VERSION"')
    ]
    assert order == sorted(order)
    (build,) = (step["with"] for step in steps if "build-push-action" in step.get("uses", ""))
    assert build["tags"] == "${{ env.IMAGE }}:${{ github.sha }}"
    assert build["platforms"] == "linux/amd64,linux/arm64"
    assert build["sbom"] is True
    assert build["provenance"]
    for name in build["platforms"].split(","):
        assert name in " ".join(texts)


def test_the_chart_is_published_after_its_images_for_every_version() -> None:
    job = read_jobs()["publish"]
    assert "images" in job["needs"]
    assert "if" not in job
    assert [step["name"] for step in job["steps"] if "tag" in step.get("if", "")] == [
        "Check that the tag is the version",
        "Create the GitHub release",
    ]


def test_only_a_push_of_a_published_version_starts_the_pipeline_of_aws_without_a_stored_key() -> None:
    job = read_jobs()["aws"]
    assert job["if"].startswith("github.event_name == 'push' && ")
    assert "publish" in job["needs"]
    assert job["permissions"] == {"contents": "read", "packages": "read", "id-token": "write"}
    (login,) = (step["with"] for step in job["steps"] if "configure-aws" in step.get("uses", ""))
    assert set(login) == {"role-to-assume", "aws-region"}
    assert "environment" not in job  # GitHub would then name it in the identity, in the place of the branch


def test_an_ignored_vulnerability_has_a_reason_and_a_date_of_review() -> None:
    scan = yaml.safe_load((REPOSITORY / ".github" / "grype.yaml").read_text())
    assert scan["only-fixed"]
    assert scan["fail-on-severity"] == "high"
    for entry in scan["ignore"]:
        assert re.search(r"Review on \d{4}-\d{2}-\d{2}\.$", entry["reason"]), entry
