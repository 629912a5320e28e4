"""Tests of the job that creates databases and roles on an external Postgres."""

from pathlib import Path
from typing import Any

import pytest
from databases_install.settings import DatabasesInstallSettings

from tests.support.charts.rendering import Release, render
from tests.support.security.certificates import make_certificates

PROFILE = "values-eks-prod.yaml"
JOB = "databases-install"

SECRETS = {
    ("tenantry-databases", "username"): "master",
    ("tenantry-databases", "password"): "of-the-master",
    ("tenantry-databases", "keycloak-password"): "of-another-keycloak",
    ("tenantry-n8n", "postgres-password"): "of-n8n",
    ("tenantry-keycloak", "postgres-password"): "of-keycloak",
    ("tenantry-open-webui", "database-url"): "postgresql://openwebui:p@db.example/openwebui",
    ("tenantry-file-sync", "database-url"): "postgresql://tenantry_file_sync:p@db.example/openwebui",
}


def read_settings(
    monkeypatch: pytest.MonkeyPatch, folder: Path, release: Release
) -> DatabasesInstallSettings:
    """Return the settings that the job reads from its variables."""
    (container,) = dict(release.iter_pods())[JOB]["spec"]["containers"]
    assert container["args"] == ["databases_install"]
    authority = make_certificates(folder / "ca", "db.example").authority
    for entry in container["env"]:
        monkeypatch.setenv(
            entry["name"], str(_read_value(entry)).replace("/etc/tenantry/postgres/ca.crt", str(authority))
        )
    return DatabasesInstallSettings()


def _read_value(entry: dict[str, Any]) -> str:
    if "value" in entry:
        return str(entry["value"])
    reference = entry["valueFrom"]["secretKeyRef"]
    return SECRETS[reference["name"], reference["key"]]


def test_the_job_knows_every_program_with_a_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = read_settings(monkeypatch, tmp_path, render(PROFILE))
    assert (settings.host, settings.port) == ("tenantry.cluster-example.us-east-1.rds.amazonaws.com", 5432)
    assert settings.release == "chart-test/demo"
    assert [login.database for login in settings.list_owners()] == ["openwebui", "n8n"]
    assert settings.get_file_sync() is not None
    assert settings.ca_file is not None


@pytest.mark.parametrize(
    ("option", "password"),
    [
        ("databases.keycloak=true", "of-another-keycloak"),
        ("keycloak.enabled=true,keycloak.postgres.host=db.example,global.keycloak.url=", "of-keycloak"),
    ],
)
def test_keycloaks_database_is_created_on_request_and_for_the_included_keycloak(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, option: str, password: str
) -> None:
    options = ["--set", option]
    if "enabled" in option:
        options += ["--set-json", 'global.network.keycloak={"cidrs":[],"port":8080}']
    settings = read_settings(monkeypatch, tmp_path, render(PROFILE, *options))
    keycloak = settings.list_owners()[-1]
    assert (keycloak.database, keycloak.password) == ("keycloak", password)


def test_programs_that_do_not_run_have_no_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options = "n8n.enabled=false,open-webui.orchestrator=direct,file-sync.enabled=false"
    settings = read_settings(monkeypatch, tmp_path, render(PROFILE, "--set", options))
    assert [login.database for login in settings.list_owners()] == ["openwebui"]
    assert settings.get_file_sync() is None


@pytest.mark.parametrize(
    ("profile", "option"), [("values-kind.yaml", "n8n.enabled=true"), (PROFILE, "databases.enabled=false")]
)
def test_without_an_external_postgres_or_on_request_there_is_no_job(profile: str, option: str) -> None:
    release = render(profile, "--set", option)
    assert not [item for item in release.objects if JOB in item["metadata"]["name"]]
    assert "tenantry-databases" not in release.text


def test_the_job_is_no_hook_because_a_store_creates_its_secrets() -> None:
    release = render(PROFILE, "--set", "global.secretsStore.enabled=true")
    (job,) = [item for item in release.list_objects("Job") if JOB in item["metadata"]["name"]]
    assert "annotations" not in job["metadata"]
    volumes = job["spec"]["template"]["spec"]["volumes"]
    mounted = {each["csi"]["volumeAttributes"]["secretProviderClass"] for each in volumes if "csi" in each}
    assert mounted == {"tenantry-databases", "tenantry-open-webui", "tenantry-file-sync", "tenantry-n8n"}
