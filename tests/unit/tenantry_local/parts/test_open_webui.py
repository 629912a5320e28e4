"""Open WebUI as it is started: who comes in, what is closed; that it heeds this is for integration tests."""

import json
from pathlib import Path

import pytest
from gateway.documents.formats import _CLAIMS
from gateway.settings import Settings as GatewaySettings
from tenantry_local.context import Context, write_private
from tenantry_local.parts.open_webui import FILE_EXTENSIONS, LARGEST_FILE_MIB, OpenWebUI
from tenantry_local.parts.services import operator_env
from tenantry_local.programs import open_webui as program


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr(program, "install", lambda _: Path("/programs/open-webui"))
    made = Context.open(tmp_path, whole=True)
    key = {"AccessKeyId": "its-own", "SecretAccessKey": "secret"}
    write_private(made.state / "aws" / "open-webui.json", json.dumps(key))
    return made


@pytest.fixture
def env(context: Context) -> dict[str, str]:
    return dict(OpenWebUI(context).command().env)


def test_people_come_in_through_keycloak_only(env: dict[str, str], context: Context) -> None:
    assert env["OPENID_PROVIDER_URL"].startswith(f"{context.url('keycloak')}/realms/tenantry/")
    assert env["OPENID_REDIRECT_URI"] == f"{context.url('open-webui')}/oauth/oidc/callback"
    assert env["ENABLE_OAUTH_SIGNUP"] == "true"
    assert env["ENABLE_SIGNUP"] == env["ENABLE_LOGIN_FORM"] == "false"


def test_a_login_takes_no_group_from_a_claim(env: dict[str, str]) -> None:
    assert env["ENABLE_OAUTH_GROUP_MANAGEMENT"] == "false"
    assert env["ENABLE_OAUTH_GROUP_CREATION"] == "false"


def test_nothing_that_somebody_clicks_outlives_a_restart(env: dict[str, str]) -> None:
    assert env["ENABLE_PERSISTENT_CONFIG"] == "false"


def test_ordinary_people_may_open_knowledge_and_nothing_else_of_the_workspace(env: dict[str, str]) -> None:
    workspace = {
        name.removeprefix("USER_PERMISSIONS_WORKSPACE_")
        for name, value in env.items()
        if name.startswith("USER_PERMISSIONS_WORKSPACE_") and value == "true"
    }
    assert workspace == {"KNOWLEDGE_ACCESS"}


@pytest.mark.parametrize("what", ["CHAT_SHARE", "ACCESS_GRANTS_ALLOW_USERS", "ACCESS_GRANTS_ALLOW_GROUPS"])
def test_nobody_can_show_anything_to_another_tenants_people(env: dict[str, str], what: str) -> None:
    assert env[f"USER_PERMISSIONS_{what}"] == "false"


def test_what_it_would_send_elsewhere_goes_nowhere(env: dict[str, str]) -> None:
    assert env["RAG_OPENAI_API_BASE_URL"] == "http://127.0.0.1:9"
    assert env["OFFLINE_MODE"] == "true"


def test_it_uses_its_own_key_role_and_redis_database(env: dict[str, str], context: Context) -> None:
    assert env["S3_ACCESS_KEY_ID"] == "its-own"
    assert env["S3_BUCKET_NAME"] == "open-webui-files-dev"
    assert env["DATABASE_URL"].startswith("postgresql://openwebui:")
    assert env["DATABASE_URL"].endswith(f":{context.ports['postgres']}/openwebui")
    assert env["REDIS_URL"] == env["WEBSOCKET_REDIS_URL"]
    assert not env["REDIS_URL"].endswith(("/0", "/2"))


def test_its_installation_is_not_written_to(env: dict[str, str], context: Context) -> None:
    for name in ("DATA_DIR", "STATIC_DIR"):
        assert Path(env[name]).is_relative_to(context.state), name


def test_it_takes_the_files_that_the_gateway_takes_and_no_others() -> None:
    assert {f".{ending}" for ending in FILE_EXTENSIONS.split(",")} == set(_CLAIMS)
    assert GatewaySettings.model_fields["document_bytes"].default == LARGEST_FILE_MIB * 1024 * 1024


def test_the_operator_is_told_of_it_only_where_it_is(context: Context, tmp_path: Path) -> None:
    assert operator_env(context)["OPERATOR_OPEN_WEBUI_URL"] == context.url("open-webui")
    core = Context.open(tmp_path / "core")
    assert not [name for name in operator_env(core) if "OPEN_WEBUI" in name]
