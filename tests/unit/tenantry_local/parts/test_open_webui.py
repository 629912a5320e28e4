"""Tests of Open WebUI's environment variables; integration tests show their effect."""

import json
from pathlib import Path

import pytest
from gateway.documents.formats import _FORMATS_BY_SUFFIX
from gateway.settings import GatewaySettings
from tenantry_local.context import Context, write_private
from tenantry_local.parts.open_webui import FILE_EXTENSIONS, MAX_FILE_MIB, OpenWebUI
from tenantry_local.parts.services import build_operator_env
from tenantry_local.programs import open_webui as program


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr(program, "install", lambda _: Path("/programs/open-webui"))
    made = Context.open(tmp_path, all_parts=True)
    key = {"AccessKeyId": "open-webui-key", "SecretAccessKey": "secret"}
    write_private(made.state / "aws" / "open-webui.json", json.dumps(key))
    return made


@pytest.fixture
def env(context: Context) -> dict[str, str]:
    return dict(OpenWebUI(context).build_command().env)


def test_users_log_in_through_keycloak_only(env: dict[str, str], context: Context) -> None:
    assert env["OPENID_PROVIDER_URL"].startswith(f"{context.build_url('keycloak')}/realms/tenantry/")
    assert env["OPENID_REDIRECT_URI"] == f"{context.build_url('open-webui')}/oauth/oidc/callback"
    assert env["ENABLE_OAUTH_SIGNUP"] == "true"
    assert env["ENABLE_SIGNUP"] == env["ENABLE_LOGIN_FORM"] == "false"


def test_a_login_reads_no_groups_from_claims(env: dict[str, str]) -> None:
    assert env["ENABLE_OAUTH_GROUP_MANAGEMENT"] == "false"
    assert env["ENABLE_OAUTH_GROUP_CREATION"] == "false"


def test_settings_of_the_user_interface_do_not_survive_a_restart(env: dict[str, str]) -> None:
    assert env["ENABLE_PERSISTENT_CONFIG"] == "false"


def test_users_may_open_only_knowledge_of_the_workspace(env: dict[str, str]) -> None:
    workspace = {
        name.removeprefix("USER_PERMISSIONS_WORKSPACE_")
        for name, value in env.items()
        if name.startswith("USER_PERMISSIONS_WORKSPACE_") and value == "true"
    }
    assert workspace == {"KNOWLEDGE_ACCESS"}


@pytest.mark.parametrize(
    "permission", ["CHAT_SHARE", "ACCESS_GRANTS_ALLOW_USERS", "ACCESS_GRANTS_ALLOW_GROUPS"]
)
def test_users_cannot_share_with_other_users(env: dict[str, str], permission: str) -> None:
    assert env[f"USER_PERMISSIONS_{permission}"] == "false"


def test_open_webui_sends_nothing_to_other_servers(env: dict[str, str]) -> None:
    assert env["RAG_OPENAI_API_BASE_URL"] == "http://127.0.0.1:9"
    assert env["OFFLINE_MODE"] == "true"


def test_open_webui_has_a_separate_key_role_and_redis_database(env: dict[str, str], context: Context) -> None:
    assert env["S3_ACCESS_KEY_ID"] == "open-webui-key"
    assert env["S3_BUCKET_NAME"] == "open-webui-files-dev"
    assert env["DATABASE_URL"].startswith("postgresql://openwebui:")
    assert env["DATABASE_URL"].endswith(f":{context.ports['postgres']}/openwebui")
    assert env["REDIS_URL"] == env["WEBSOCKET_REDIS_URL"]
    assert not env["REDIS_URL"].endswith(("/0", "/2"))


def test_open_webui_writes_only_into_the_state_folder(env: dict[str, str], context: Context) -> None:
    for name in ("DATA_DIR", "STATIC_DIR"):
        assert Path(env[name]).is_relative_to(context.state), name


def test_open_webui_accepts_the_same_files_as_the_gateway() -> None:
    assert {f".{extension}" for extension in FILE_EXTENSIONS.split(",")} == set(_FORMATS_BY_SUFFIX)
    assert GatewaySettings.model_fields["document_bytes"].default == MAX_FILE_MIB * 1024 * 1024


def test_the_operator_gets_its_address_only_if_it_is_part_of_the_platform(
    context: Context, tmp_path: Path
) -> None:
    assert build_operator_env(context)["OPERATOR_OPEN_WEBUI_URL"] == context.build_url("open-webui")
    core = Context.open(tmp_path / "core")
    assert not [name for name in build_operator_env(core) if "OPEN_WEBUI" in name]
