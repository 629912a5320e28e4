"""Tests of the imported realm; integration tests show its effect."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tenancy.names import TENANT_UID_ATTRIBUTE, TENANT_UIDS_CLAIM
from tenantry_local.context import Context
from tenantry_local.parts import keycloak
from tenantry_local.parts.keycloak import Keycloak


@pytest.fixture
def realm(tmp_path: Path) -> dict[str, Any]:
    return Keycloak(Context.open(tmp_path))._build_realm()


def test_file_sync_may_only_read_users_and_groups(realm: dict[str, object]) -> None:
    accounts = {
        user["serviceAccountClientId"]: user for user in keycloak._build_client_import(realm)["users"]
    }
    assert accounts["tenantry-file-sync"]["clientRoles"] == {
        "realm-management": ["view-users", "query-users", "query-groups"]
    }


def test_an_existing_realm_gets_missing_clients_and_no_users(realm: dict[str, object]) -> None:
    missing = keycloak._build_client_import(realm)
    assert missing["ifResourceExists"] == "SKIP"
    assert {client["clientId"] for client in missing["clients"]} >= {"open-webui", "tenantry-file-sync"}
    assert all(user["username"].startswith("service-account-") for user in missing["users"])


def test_existing_clients_get_missing_mappers(realm: dict[str, Any]) -> None:
    made: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            made.append((request.url.path.split("/")[-3], json.loads(request.content)["name"]))
            return httpx.Response(201)
        name = request.url.params["clientId"]
        return httpx.Response(200, json=[{"id": name, "protocolMappers": [{"name": "audience"}]}])

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://k") as http:
        keycloak._add_missing_mappers(http, realm)
    assert made == [
        ("tenantry-cli", "tenant-uids"), ("tenantry-cli", "groups"),
        ("open-webui", "tenant-uids"), ("open-webui", "groups"),
        ("other-app", "groups"),
    ]  # fmt: skip


@pytest.mark.parametrize("client_id", ["tenantry-cli", "open-webui"])
def test_tokens_for_the_gateway_carry_the_uids_of_tenants(realm: dict[str, Any], client_id: str) -> None:
    (client,) = [candidate for candidate in realm["clients"] if candidate["clientId"] == client_id]
    (mapper,) = [candidate for candidate in client["protocolMappers"] if candidate["name"] == "tenant-uids"]
    config = mapper["config"]
    assert (config["user.attribute"], config["claim.name"]) == (TENANT_UID_ATTRIBUTE, TENANT_UIDS_CLAIM)
    assert config["aggregate.attrs"] == config["multivalued"] == config["access.token.claim"] == "true"


def test_clients_do_not_share_secrets(realm: dict[str, object]) -> None:
    secrets = [
        client["secret"] for client in keycloak._build_client_import(realm)["clients"] if "secret" in client
    ]
    assert len(set(secrets)) == len(secrets) == 3


def test_a_token_of_open_webui_lives_longer_than_its_refresh_margin(realm: dict[str, object]) -> None:
    """Open WebUI refreshes a token that has less than five minutes left."""
    clients = {client["clientId"]: client for client in keycloak._build_client_import(realm)["clients"]}
    assert int(clients["open-webui"]["attributes"]["access.token.lifespan"]) > 5 * 60


def test_only_a_test_platform_hashes_passwords_quickly(tmp_path: Path) -> None:
    assert "passwordPolicy" not in Keycloak(Context.open(tmp_path))._build_realm()
    assert (
        "hashIterations(1)"
        in Keycloak(Context.open(tmp_path, ephemeral=True))._build_realm()["passwordPolicy"]
    )
