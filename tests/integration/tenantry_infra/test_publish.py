"""Tests of the publication of a release for the pipeline: ``aws``, ``docker`` and ``make`` are replaced."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from tenantry_infra.stacks import INFRA

DIGEST = f"sha256:{'2' * 64}"
ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
SOURCE = "ghcr.io/owner/name"
KEY, BODY = "releases/1.2.3.zip", "build/tenantry-1.2.3.zip"
REVISION = f"actionName=Release,revisionType=S3_OBJECT_KEY,revisionValue={KEY}"
IMAGES = ("operator", "gateway", "file-sync", "jobs")


@dataclass(frozen=True)
class Programs:
    """Programs that record their calls and answer as AWS and a registry do.

    Parameters
    ----------
    folder
        Folder of the programs.
    """

    folder: Path

    def write(self, *, pushed: bool = False, upload: str = "") -> None:
        """Write the programs: images may be pushed already, and the upload may fail with a message."""
        inspect = json.dumps({"digest": DIGEST})
        self._write_program(
            "docker",
            'case "$*" in login*) cat > /dev/null;;'
            f" *inspect*{SOURCE}*) echo '{inspect}';; *inspect*) exit {int(not pushed)};; esac",
        )
        self._write_program(
            "aws",
            'case "$*" in sts*) echo 123456789012;; ecr*) echo password;;'
            f" s3api*) echo '{upload}'; exit {int(bool(upload))};; esac",
        )
        self._write_program("make", "")

    def run(self) -> tuple[int, list[str]]:
        """Publish a version; return the exit status and the calls."""
        done = subprocess.run(
            [INFRA / "pipeline" / "publish.sh", "1.2.3", SOURCE, "the-releases"],
            env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}", "AWS_REGION": "us-east-1"},
            capture_output=True,
            check=False,
        )
        return done.returncode, (self.folder / "calls.txt").read_text().splitlines()

    def _write_program(self, name: str, body: str) -> None:
        program = self.folder / name
        program.write_text(f'#!/bin/bash\necho "{name} $*" >> {self.folder}/calls.txt\n{body}\n')
        program.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


def test_images_keep_their_digests_and_the_pipeline_starts_with_the_release(programs: Programs) -> None:
    programs.write()
    code, calls = programs.run()
    assert code == 0
    for name in IMAGES:
        tag = f"{ECR}/tenantry/{name}:1.2.3"
        assert f"docker buildx imagetools create --tag {tag} {SOURCE}/{name}@{DIGEST}" in calls
    references = " ".join(f"{name}={ECR}/tenantry/{name}@{DIGEST}" for name in IMAGES)
    assert calls[-3:] == [
        f"make bundle IMAGES={references}",
        f"aws s3api put-object --bucket the-releases --key {KEY} --body {BODY} --if-none-match *",
        f"aws codepipeline start-pipeline-execution --name tenantry --source-revisions {REVISION}",
    ]


def test_a_second_run_pushes_nothing_and_starts_the_same_release(
    programs: Programs,
) -> None:
    programs.write(pushed=True, upload="An error occurred (PreconditionFailed) when calling PutObject")
    code, calls = programs.run()
    assert code == 0
    assert not [call for call in calls if "imagetools create" in call]
    assert "start-pipeline-execution" in calls[-1]


def test_a_release_that_cannot_be_uploaded_starts_nothing(programs: Programs) -> None:
    programs.write(upload="An error occurred (AccessDenied) when calling PutObject")
    code, calls = programs.run()
    assert code == 1
    assert "start-pipeline-execution" not in calls[-1]
