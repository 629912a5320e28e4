"""Tests of the services' variables in the chart: complete, known and secret where needed."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from file_sync.jobs.grants import GrantsSettings
from n8n_install.settings import N8nInstallSettings
from pydantic import SecretStr, ValidationError
from qdrant_snapshots.settings import SnapshotSettings
from smoke_test.settings import SmokeTestSettings
from tenantry_local.receipts import ensure_private_key
from webui_install.settings import WebUIInstallSettings

from tests.support.charts.rendering import PROFILES, RELEASE, Release, render
from tests.support.security.certificates import make_certificates
from tools import chart_schema

SERVICES = chart_schema.SERVICES | {
    "file-sync-grants": GrantsSettings,
    "n8n-install": N8nInstallSettings,
    "open-webui-install": WebUIInstallSettings,
    "qdrant-snapshots": SnapshotSettings,
    "smoke-test": SmokeTestSettings,
}

SECRETS = {"REDIS_URL": "rediss://redis.example:6379/0", "DATABASE_URL": "postgresql://db.example/openwebui"}
"""Values of Secrets whose format a service checks."""


@pytest.fixture(params=PROFILES, scope="module")
def release(request: pytest.FixtureRequest) -> Release:
    """The chart, rendered with each profile."""
    return render(request.param)


@pytest.fixture(autouse=True)
def clear_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove variables of services, which other tests in this process may have set."""
    prefixes = tuple(settings.model_config["env_prefix"] for settings in SERVICES.values())
    for name in [name for name in os.environ if name.startswith(prefixes)]:
        monkeypatch.delenv(name)


def get_environment(release: Release, service: str) -> dict[str, str]:
    """Return the variables of a service, with a placeholder for each secret."""
    prefix = SERVICES[service].model_config["env_prefix"]
    return {
        entry["name"]: entry.get("value", SECRETS.get(entry["name"].removeprefix(prefix), "a-secret-of-many"))
        for entry in list_variables(release, service)
    }


def list_variables(release: Release, workload: str) -> list[dict[str, Any]]:
    """Return the variables in the pod of a workload."""
    (container,) = dict(release.iter_pods())[workload]["spec"]["containers"]
    given: list[dict[str, Any]] = container["env"]
    return given


@pytest.mark.parametrize("service", SERVICES)
def test_the_service_starts_with_the_charts_variables(
    release: Release, service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # The service reads these files at start.
    files = {
        "/etc/tenantry/receipts/key.pem": ensure_private_key(tmp_path),
        "/etc/tenantry/postgres/ca.crt": make_certificates(tmp_path / "ca", "postgres.example").authority,
    }
    for name, value in get_environment(release, service).items():
        monkeypatch.setenv(name, str(files.get(value, value)))
    SERVICES[service]()


@pytest.mark.parametrize("service", SERVICES)
def test_variables_with_the_services_prefix_are_settings(release: Release, service: str) -> None:
    prefix = SERVICES[service].model_config["env_prefix"]
    known = {f"{prefix}{field.upper()}" for field in SERVICES[service].model_fields}
    given = {name for name in get_environment(release, service) if name.startswith(prefix)}
    assert given <= known


@pytest.mark.parametrize("service", SERVICES)
def test_secret_settings_come_from_secrets(release: Release, service: str) -> None:
    prefix = SERVICES[service].model_config["env_prefix"]
    secret = {
        f"{prefix}{field.upper()}"
        for field, info in SERVICES[service].model_fields.items()
        if info.annotation is SecretStr
    }
    plain = {entry["name"] for entry in list_variables(release, service) if "value" in entry}
    assert not secret & plain


@pytest.mark.parametrize("service", SERVICES)
def test_a_missing_variable_is_detected(
    release: Release, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in get_environment(release, service).items():
        if not name.endswith(("_BUCKET", "_EMAIL", "_DATABASE_URL")):
            monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=r"bucket|email|database_url"):
        SERVICES[service]()


def test_a_setting_from_the_values_reaches_the_service() -> None:
    release = render("values-eks-prod.yaml", "--set", "gateway.settings.GATEWAY_CHAT_MODEL=some.model")
    assert get_environment(release, "gateway")["GATEWAY_CHAT_MODEL"] == "some.model"


@pytest.mark.parametrize(
    ("value", "setting"),
    [
        ("embeddingsPerMinute", "GATEWAY_EMBEDDINGS_PER_MINUTE"),
        ("embeddingTokensPerMinute", "GATEWAY_EMBEDDING_TOKENS_PER_MINUTE"),
    ],
)
def test_gateways_share_the_quotas_of_embeddings(value: str, setting: str) -> None:
    release = render(
        "values-eks-prod.yaml", "--set", f"gateway.{value}=3000,gateway.autoscaling.maxReplicas=7"
    )
    assert get_environment(release, "gateway")[setting] == str(3000 // 7)


def test_the_operator_has_variables_of_open_webui_only_if_it_is_enabled(release: Release) -> None:
    given = get_environment(release, "operator")
    assert {name for name in given if "OPEN_WEBUI" in name} == {
        "OPERATOR_OPEN_WEBUI_URL",
        "OPERATOR_OPEN_WEBUI_EMAIL",
        "OPERATOR_OPEN_WEBUI_PASSWORD",
    }
    without = render(
        "values-eks-prod.yaml",
        "--set",
        "open-webui.enabled=false,ingress.enabled=false,global.openWebui.adminEmail=",
    )
    assert not [name for name in get_environment(without, "operator") if "OPEN_WEBUI" in name]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("service", ["gateway", "file-sync"])
def test_only_the_profiles_for_eks_write_metrics_for_cloudwatch(profile: str, service: str) -> None:
    release = render(profile)
    name = f"{SERVICES[service].model_config['env_prefix']}CLOUDWATCH_DIMENSIONS"
    given = get_environment(release, service).get(name)
    if profile.startswith("values-eks-"):
        assert json.loads(given or "") == {"Namespace": "chart-test", "Release": RELEASE}
    else:
        assert given is None
