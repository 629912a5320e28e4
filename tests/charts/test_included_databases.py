"""Tests of the included Postgres, Redis and Keycloak, for kind and development."""

import hashlib
import json
from typing import Any

import pytest
from tenantry_local.parts.keycloak import REALM_FILE, VERSION

from tests.support.charts.rendering import HelmError, Release, render
from tests.support.charts.secrets import list_read_secrets
from tools.dev_secrets import generate_secrets

PROFILE = "values-kind.yaml"
PRODUCTION = "values-eks-prod.yaml"
INCLUDED = ("keycloak", "postgres", "redis")


@pytest.fixture(scope="module")
def release() -> Release:
    """The chart with the kind profile."""
    return render(PROFILE)


def get_env(release: Release, kind: str, name: str) -> dict[str, Any]:
    """Return the variables of the only container of a workload."""
    (container,) = release.get(kind, name)["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def get_realm(release: Release) -> dict[str, Any]:
    """Return the realm that Keycloak imports."""
    found: dict[str, Any] = json.loads(release.get("ConfigMap", "keycloak")["data"]["realm.json"])
    return found


def test_dev_secrets_creates_exactly_the_secrets_of_the_kind_profile(release: Release) -> None:
    made = {(name, key) for name, data in generate_secrets("demo").items() for key in data}
    assert made == list_read_secrets(release)


def test_shared_credentials_match() -> None:
    made = generate_secrets("demo")
    assert made["tenantry-n8n"]["postgres-password"] == made["tenantry-postgres"]["n8n-password"]
    assert made["tenantry-keycloak"]["operator-secret"] == made["tenantry-operator"]["keycloak-client-secret"]
    assert made["tenantry-postgres"]["file-sync-password"] in made["tenantry-file-sync"]["database-url"]
    assert made["tenantry-operator"]["redis-url"] != made["tenantry-gateway"]["redis-url"]
    for url in (made[f"tenantry-{name}"]["redis-url"] for name in ("operator", "gateway", "open-webui")):
        user, _, password = url.removeprefix("redis://").partition("@")[0].partition(":")
        hashed = hashlib.sha256(password.encode()).hexdigest()
        assert f"user {user} on #{hashed} " in made["tenantry-redis"]["users.acl"]
        assert password not in made["tenantry-redis"]["users.acl"]
    public, private = (
        json.loads(made["tenantry-ticket-keys"]["jwks.json"])["keys"][0],
        json.loads(made["tenantry-ticket-key"]["key.json"]),
    )
    assert (public["x"], "d" in public) == (private["x"], False)


def test_production_includes_no_postgres_redis_or_keycloak() -> None:
    names = {item["metadata"]["name"] for item in render(PRODUCTION).objects}
    assert not {f"demo-{name}" for name in INCLUDED} & names


def test_clients_use_the_included_services(release: Release) -> None:
    services = {item["metadata"]["name"] for item in release.list_objects("Service")}
    n8n = get_env(release, "Deployment", "n8n")
    assert {n8n["DB_POSTGRESDB_HOST"], n8n["QUEUE_BULL_REDIS_HOST"]} <= services
    keycloak = get_env(release, "Deployment", "operator")["OPERATOR_KEYCLOAK_URL"]
    assert (
        keycloak == "http://demo-keycloak:8080" == get_env(release, "Deployment", "keycloak")["KC_HOSTNAME"]
    )
    assert get_env(release, "Deployment", "gateway")["GATEWAY_OIDC_ISSUER"] == f"{keycloak}/realms/tenantry"


def test_volumes_of_included_databases_are_kept(release: Release) -> None:
    for name in ("postgres", "redis"):
        spec = release.get("StatefulSet", name)["spec"]
        assert spec["persistentVolumeClaimRetentionPolicy"] == {
            "whenDeleted": "Retain",
            "whenScaled": "Retain",
        }


@pytest.mark.parametrize(
    ("option", "path"),
    [
        ("keycloak.enabled=false", "global.keycloak.url"),
        ("postgres.enabled=false", "n8n.postgres.host"),
        ("redis.enabled=false", "n8n.redis.host"),
        ("global.keycloak.url=https://login.example.com", "global.keycloak.url"),
        ("global.network.postgres.cidrs={10.0.20.0/24}", "global.network.postgres.cidrs"),
    ],
)
def test_each_database_is_either_included_or_configured(option: str, path: str) -> None:
    with pytest.raises(HelmError, match=path):
        render(PROFILE, "--set", option)


def test_the_version_of_keycloak_is_the_tested_version(release: Release) -> None:
    (container,) = release.get("Deployment", "keycloak")["spec"]["template"]["spec"]["containers"]
    assert container["image"].partition("@")[0] == f"quay.io/keycloak/keycloak:{VERSION}"


def test_the_demo_realm_is_the_realm_of_the_local_platform(release: Release) -> None:
    ours, local = get_realm(release), json.loads(REALM_FILE.read_text())
    (client,) = (client for client in ours["clients"] if client["clientId"] == "open-webui")
    assert client["redirectUris"] == ["http://demo-open-webui:8080/oauth/oidc/callback"]
    client["redirectUris"] = ["http://127.0.0.1:*"]
    assert ours == local


def test_without_demo_the_realm_has_no_users_and_no_password_clients() -> None:
    ours = get_realm(render(PROFILE, "--set", "keycloak.demo=false"))
    assert not any(client.get("directAccessGrantsEnabled") for client in ours["clients"])
    assert not any(client.get("publicClient") for client in ours["clients"])
    assert all("serviceAccountClientId" in user for user in ours["users"])
    assert len(ours["users"]) == len(("operator", "file-sync"))


def test_keycloak_has_a_variable_for_each_placeholder_of_the_realm(release: Release) -> None:
    for demo in ("true", "false"):
        rendered = render(PROFILE, "--set", f"keycloak.demo={demo}")
        text = rendered.get("ConfigMap", "keycloak")["data"]["realm.json"]
        variables = get_env(rendered, "Deployment", "keycloak")
        placeholders = {part.partition("}")[0] for part in text.split("${")[1:]}
        assert placeholders <= set(variables)
        assert ("PASSWORD" in placeholders) == ("PASSWORD" in variables) == (demo == "true")
