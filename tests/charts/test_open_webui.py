"""Tests of Open WebUI in the chart: settings equal to the local platform's, scaling, migration."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tenantry_local.context import Context, write_private
from tenantry_local.part import Command
from tenantry_local.parts.open_webui import OpenWebUI
from tenantry_local.programs import open_webui as program

from tests.support.charts.rendering import Release, render
from tools.chart_schema import CHART

PROFILE = "values-eks-prod.yaml"

LOCAL_ONLY = {
    "S3_ENDPOINT_URL", "S3_ADDRESSING_STYLE", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY",
    "HOST", "PORT", "FROM_INIT_PY",
}  # fmt: skip
"""Variables of the local platform: for the S3 stand-in, and for Open WebUI as a package."""

POD_ONLY = {
    "ENABLE_DB_MIGRATIONS", "AWS_DEFAULT_REGION", "HOME", "USER",
    "TENANTRY_DATABASE_CA_FILE", "TENANTRY_REDIS_TLS", "TENANTRY_METRICS_PORT",
}  # fmt: skip
"""Variables that only a pod needs."""


@pytest.fixture(scope="module")
def release() -> Release:
    """The chart with the production profile."""
    return render(PROFILE)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return the local platform's command for Open WebUI."""
    monkeypatch.setattr(program, "install", lambda _: Path("/programs/open-webui"))
    context = Context.open(tmp_path, all_parts=True)
    key = {"AccessKeyId": "its-own", "SecretAccessKey": "secret"}
    write_private(context.state / "aws" / "open-webui.json", json.dumps(key))
    return OpenWebUI(context).build_command()


@pytest.fixture
def local_env(command: Command) -> dict[str, str]:
    """Return the variables of the local platform's Open WebUI."""
    return dict(command.env)


def get_pod(release: Release, name: str = "open-webui") -> dict[str, Any]:
    """Return the pod spec of a workload."""
    spec: dict[str, Any] = dict(release.iter_pods())[name]["spec"]
    return spec


def get_env(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the variables of a pod's only container."""
    (container,) = spec["containers"]
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def read_files(*names: str) -> str:
    """Return the texts of Python files of the chart, one after another."""
    return "\n".join((CHART / "charts" / "open-webui" / "files" / name).read_text() for name in names)


def test_a_pod_has_the_variables_of_the_local_platform(release: Release, local_env: dict[str, str]) -> None:
    assert set(get_env(get_pod(release))) - POD_ONLY == set(local_env) - LOCAL_ONLY
    names = [entry["name"] for entry in get_pod(release)["containers"][0]["env"]]
    assert len(set(names)) == len(names)


def test_constant_variables_equal_the_local_platforms(release: Release, local_env: dict[str, str]) -> None:
    constant = yaml.safe_load((CHART / "charts" / "open-webui" / "environment.yaml").read_text())
    assert constant == {name: local_env[name] for name in constant}
    assert constant.items() <= get_env(get_pod(release)).items()


def test_texts_for_users_are_values_with_the_same_defaults(
    release: Release, local_env: dict[str, str]
) -> None:
    names = {"signInName": "OAUTH_PROVIDER_NAME", "noTenantNotice": "TENANTRY_NO_TENANT_NOTICE"}
    assert {name: local_env[name] for name in names.values()}.items() <= get_env(get_pod(release)).items()
    options = [option for value in names for option in ("--set", f"open-webui.{value}=Acme: {value}")]
    given = get_env(get_pod(render(PROFILE, *options)))
    assert {given[name] for name in names.values()} == {f"Acme: {value}" for value in names}


def test_the_version_of_open_webui_is_the_tested_version(release: Release) -> None:
    images = {
        container["image"]
        for name in ("open-webui", "open-webui-migrate")
        for container in get_pod(release, name)["containers"]
        + get_pod(release, name).get("initContainers", [])
    }
    assert images == {f"ghcr.io/open-webui/open-webui:{program.get_version()}"}


def test_all_public_urls_are_the_same(release: Release) -> None:
    given = get_env(get_pod(release))
    assert given["WEBUI_URL"] == given["CORS_ALLOW_ORIGIN"] == "https://chat.example.com"
    assert given["OPENID_REDIRECT_URI"] == "https://chat.example.com/oauth/oidc/callback"


def test_pods_and_the_local_platform_start_the_guard(release: Release, command: Command) -> None:
    (container,) = get_pod(release)["containers"]
    assert container["command"] == ["python", "-c"]
    assert container["args"] == [read_files("connections.py", "guard.py")]
    program, served = command.argv
    assert program == "/programs/python"
    assert Path(served).read_text() == read_files("guard.py")


def test_open_webui_scales_by_cpu(release: Release) -> None:
    (container,) = get_pod(release)["containers"]
    assert container["resources"]["requests"] == {"cpu": "1", "memory": "2Gi"}
    spec = release.get("HorizontalPodAutoscaler", "open-webui")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 10)
    target = {"type": "Utilization", "averageUtilization": 70}
    assert spec["metrics"] == [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def test_a_job_migrates_the_database_and_pods_wait_for_it(release: Release) -> None:
    assert get_env(get_pod(release))["ENABLE_DB_MIGRATIONS"] == "false"
    job = get_pod(release, "open-webui-migrate")
    assert "ENABLE_DB_MIGRATIONS" not in get_env(job)
    (wait,) = get_pod(release)["initContainers"]
    (migrate,) = job["containers"]
    assert [*wait["args"], "migrate"] == migrate["args"]


@pytest.mark.parametrize("name", ["open-webui-migrate", "file-sync-grants"])
def test_a_plain_job_runs_again_only_if_its_content_changes(name: str) -> None:
    def render_job(*options: str) -> str:
        (found,) = (
            item["metadata"]["name"]
            for item in render(PROFILE, *options).list_objects("Job")
            if item["metadata"]["labels"]["app.kubernetes.io/name"] == name
        )
        return str(found)

    workload = name.rpartition("-")[0]
    assert render_job() == render_job("--set", "gateway.autoscaling.maxReplicas=11")
    assert render_job() != render_job("--set", f"{workload}.image.tag=9.9.9")
    assert "helm.sh/hook" not in render(PROFILE).get("Job", render_job().removeprefix("demo-"))[
        "metadata"
    ].get("annotations", {})


def test_the_grants_job_uses_the_database_owner(release: Release) -> None:
    (grants,) = get_pod(release, "file-sync-grants")["containers"]
    assert grants["command"] == ["python", "-m", "file_sync.jobs.grants"]
    owner = get_env(get_pod(release))["DATABASE_URL"]
    assert get_env(get_pod(release, "file-sync-grants"))["FILE_SYNC_GRANTS_DATABASE_URL"] == owner


def test_without_n8n_the_pipe_asks_the_gateway() -> None:
    release = render(PROFILE, "--set", "n8n.enabled=false,open-webui.orchestrator=direct")
    assert get_env(get_pod(release, "open-webui-install"))["WEBUI_INSTALL_ORCHESTRATOR"] == "direct"


def test_without_open_webui_the_chart_has_no_object_of_open_webui() -> None:
    release = render(
        PROFILE, "--set", "open-webui.enabled=false,ingress.enabled=false,global.openWebui.adminEmail="
    )
    assert not [item for item in release.objects if "open-webui" in item["metadata"]["name"]]


def test_framed_pages_load_nothing_and_run_nothing(release: Release) -> None:
    given = get_env(get_pod(release))
    policy = dict(each.strip().split(" ", 1) for each in given["IFRAME_CSP"].split(";"))
    assert policy["default-src"] == policy["form-action"] == policy["base-uri"] == "'none'"
    assert policy.keys() <= {"default-src", "style-src", "img-src", "form-action", "base-uri"}
    assert not any("*" in each or "http" in each for each in policy.values())
    assert not any(json.loads(given["DEFAULT_INTERFACE_SETTINGS"]).values())
    assert given["ENABLE_CODE_EXECUTION"] == given["ENABLE_CODE_INTERPRETER"] == "false"
