"""Tests of the pipeline's buildspec: its commands run one by one, with helm on a real API server.

Only ``aws`` is replaced, by a program that records its arguments.
"""

import json
import os
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tenantry_local.platform import Platform

from tests.support.charts.metrics_api import CpuLoad
from tests.support.charts.nodes import FAILS
from tests.support.charts.rendering import RELEASE, run_helm
from tests.support.tenants.manifests import apply_tenants, make_tenant_manifest
from tools.bundle import build, parse_images
from tools.chart_schema import CHART

from .conftest import Helm
from .test_releases import EARLIER, get_image

pytestmark = pytest.mark.timeout(600)

DIGEST = f"sha256:{'1' * 64}"
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/tenantry"


@dataclass(frozen=True)
class Build:
    """A build of CodeBuild's project.

    Parameters
    ----------
    code
        Exit status of the first command that failed, or 0.
    output
        Output of all commands.
    """

    code: int
    output: str


@dataclass(frozen=True)
class Project:
    """CodeBuild's project on this machine.

    Parameters
    ----------
    helm
        The installed release.
    folder
        The unpacked bundle of the chart of the tree.
    """

    helm: Helm
    folder: Path

    def run(self, **variables: str) -> Build:
        """Run the commands of the buildspec, each in a shell as CodeBuild does."""
        buildspec = yaml.safe_load((self.folder / "buildspec.yaml").read_text())
        output = ""
        for phase in buildspec["phases"].values():
            for command in phase["commands"]:
                done = subprocess.run(
                    ["bash", "-c", command],
                    cwd=self.folder, env=self._make_env(variables), text=True, check=False,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                )  # fmt: skip
                output += done.stdout
                if done.returncode:
                    return Build(done.returncode, output)
        return Build(0, output)

    def _make_env(self, variables: Mapping[str, str]) -> dict[str, str]:
        fixed = {
            "CLUSTER": "tenantry-dev",
            "NAMESPACE": self.helm.cluster.namespace,
            "RELEASE": RELEASE,
            "KUBECONFIG": str(self.helm.kubeconfig),
            "PATH": f"{self.folder / 'stand-ins'}:{os.environ['PATH']}",
            "TIMEOUT": "200s",
        }
        return {**os.environ, **fixed, **variables}


@pytest.fixture
def project(installed_helm: Helm, earlier_chart: Path, tmp_path: Path) -> Project:
    """A project in whose cluster an earlier release was installed by a person."""
    installed_helm.install(earlier_chart, *EARLIER)
    dist = tmp_path / "dist"
    dist.mkdir()
    run_helm("package", str(CHART), "-d", str(dist))
    references = [
        f"{name}={REGISTRY}/{name}@{DIGEST}" for name in ("operator", "gateway", "file-sync", "jobs")
    ]
    folder = tmp_path / "bundle"
    with zipfile.ZipFile(build(parse_images(references), dist, tmp_path)) as bundle:
        bundle.extractall(folder)  # without the permissions, which a zip file may lose
    stand_ins = folder / "stand-ins"
    stand_ins.mkdir()
    (stand_ins / "aws").write_text(f'#!/bin/sh\necho "$@" >> {folder / "aws.txt"}\n')
    (stand_ins / "aws").chmod(0o755)
    return Project(installed_helm, folder)


def test_a_build_upgrades_the_release_with_its_values_and_digests(project: Project, load: CpuLoad) -> None:
    load.external = {"n8n_scaling_mode_queue_jobs_waiting": 0}
    cluster = project.helm.cluster
    built = project.run()
    assert built.code == 0, built.output
    assert (project.folder / "aws.txt").read_text() == "eks update-kubeconfig --name tenantry-dev\n"
    assert get_image(cluster, "gateway").startswith(f"{REGISTRY}/gateway:")
    assert get_image(cluster, "gateway").endswith(f"@{DIGEST}")
    values = yaml.safe_load(project.helm.run_plain("get", "values", RELEASE))
    assert values["gateway"]["resources"]["requests"]["cpu"] == "500m"  # a person's value
    assert f"{RELEASE} has passed its tests." in built.output
    assert "TEST SUITE:     demo-smoke-test" in built.output


def test_a_failed_test_of_the_release_fails_the_build(project: Project) -> None:
    values = yaml.safe_load((project.folder / "images.yaml").read_text())
    values["smokeTest"]["extraEnv"] = [{"name": FAILS, "value": "true"}]
    (project.folder / "images.yaml").write_text(yaml.safe_dump(values))
    built = project.run()
    assert built.code != 0
    assert "has passed its tests" not in built.output


def test_a_failed_upgrade_is_rolled_back(project: Project) -> None:
    values = yaml.safe_load((project.folder / "images.yaml").read_text())
    values["gateway"]["resources"] = {"requests": {"cpu": "9"}, "limits": {"cpu": "1"}}
    (project.folder / "images.yaml").write_text(yaml.safe_dump(values))
    built = project.run()
    assert built.code != 0
    assert get_image(project.helm.cluster, "gateway").endswith(":0.0.9")


def test_a_tenant_that_is_not_ready_any_more_fails_the_build(project: Project, platform: Platform) -> None:
    with apply_tenants(platform, make_tenant_manifest("broken")):
        # The stand-in of kubectl reports the Tenant as ready before the upgrade only.
        kubectl = project.folder / "bin" / "kubectl"
        real = kubectl.with_name("kubectl.real")
        kubectl.rename(real)
        real.chmod(0o755)
        seen = project.folder / "seen"
        status = {"conditions": [{"type": "Ready", "status": "True"}]}
        ready = json.dumps({"items": [{"metadata": {"name": "broken"}, "status": status}]})
        lines = (
            "#!/bin/bash",
            f"if [[ $2 == tenants && ! -e {seen} ]]; then touch {seen}; echo '{ready}'; exit; fi",
            f'exec {real} "$@"',
        )
        kubectl.write_text("\n".join(lines))
        built = project.run()
    assert built.code != 0
    assert "Tenants that are no longer ready: broken" in built.output


def test_an_address_that_does_not_answer_fails_the_build(project: Project) -> None:
    curl = project.folder / "stand-ins" / "curl"
    curl.write_text('#!/bin/sh\necho "$@"\nexit 22\n')
    curl.chmod(0o755)
    built = project.run(SMOKE_URL="https://chat.example.com/health")
    assert built.code != 0
    assert "https://chat.example.com/health" in built.output
