"""Tests of the rendered policies and profiles; integration tests show their enforcement."""

import configparser
import json
from pathlib import Path
from typing import Any

import pytest
from tenantry_local.context import Context
from tenantry_local.parts import aws
from tenantry_local.parts.aws import POLICIES, Aws

ROLES = ["operator", "gateway", "file-sync", "open-webui", "tenant"]


@pytest.mark.parametrize("role", ROLES)
def test_a_local_policy_has_all_variables_filled_in(role: str) -> None:
    rendered = aws._build_policy(role)
    assert json.loads(rendered)["Statement"]
    assert "${" not in rendered


def test_on_aws_the_tenant_role_reaches_only_the_tagged_tenant() -> None:
    document = json.loads((POLICIES / "tenant.json").read_text())
    objects, listing = document["Statement"]
    assert objects["Resource"] == "arn:aws:s3:::${bucket}/${aws:PrincipalTag/tenant}/*"
    assert listing["Condition"]["StringLike"]["s3:prefix"] == "${aws:PrincipalTag/tenant}/*"


def test_a_rendered_policy_keeps_the_variables_of_aws() -> None:
    assert "arn:aws:s3:::my-bucket/${aws:PrincipalTag/tenant}/*" in aws._render("tenant", bucket="my-bucket")


@pytest.mark.parametrize("role", ROLES)
def test_no_role_may_do_everything_or_reach_everything(role: str) -> None:
    for statement in json.loads((POLICIES / f"{role}.json").read_text())["Statement"]:
        assert "*" not in to_list(statement["Action"])
        assert "*" not in to_list(statement["Resource"])


def test_only_the_tenant_role_may_read_or_write_documents() -> None:
    allowed = {
        role: {
            action
            for statement in json.loads((POLICIES / f"{role}.json").read_text())["Statement"]
            if statement["Effect"] == "Allow"
            for action in to_list(statement["Action"])
        }
        for role in ROLES
    }
    assert not {action for action in allowed["gateway"] if action.startswith("s3:")}
    for role in ("file-sync", "open-webui"):
        assert "${bucket}" not in (POLICIES / f"{role}.json").read_text(), role
    denied = next(
        statement
        for statement in json.loads((POLICIES / "operator.json").read_text())["Statement"]
        if statement["Effect"] == "Deny"
    )
    assert denied["Action"] == ["s3:GetObject*", "s3:PutObject*"]
    assert {"s3:GetObject", "s3:PutObject"} <= allowed["tenant"]


def test_the_operator_may_list_without_a_condition() -> None:
    listing = [
        statement
        for statement in json.loads((POLICIES / "operator.json").read_text())["Statement"]
        if "s3:ListBucket" in to_list(statement["Action"])
    ]
    assert [statement.get("Condition") for statement in listing] == [None]


def test_the_policy_of_file_sync_only_reads_uploaded_files() -> None:
    statements = json.loads((POLICIES / "file-sync.json").read_text())["Statement"]
    actions = {action for statement in statements for action in to_list(statement["Action"])}
    assert {action for action in actions if action.startswith("s3:")} == {"s3:GetObject", "s3:ListBucket"}


def test_only_gateway_and_file_sync_may_act_for_a_tenant() -> None:
    (statement,) = json.loads(aws._render("tenant-trust", account=aws.ACCOUNT))["Statement"]
    trusted = {arn.rpartition("/")[2] for arn in statement["Principal"]["AWS"]}
    assert trusted == {"tenantry-gateway", "tenantry-file-sync"}


def test_each_profile_assumes_its_role_through_its_user(tmp_path: Path) -> None:
    part = Aws(Context.open(tmp_path))
    part.prepare()
    file = configparser.ConfigParser()
    file.read(part.config_file)
    for service in ("operator", "gateway", "file-sync"):
        profile = file[f"profile {service}"]
        assert profile["role_arn"].endswith(f":role/tenantry-{service}")
        assert profile["source_profile"] == f"{service}-user"
        assert "role_arn" not in file[f"profile {service}-user"]
    services = file["services local"]
    assert part.url in services["s3"]
    assert part.context.build_url("bedrock") in services["bedrock_runtime"]
    assert part.config_file.stat().st_mode & 0o077 == 0


def to_list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def test_the_roots_session_ignores_the_profile_of_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    aws._open_root_session().client("s3", endpoint_url="http://127.0.0.1:1")
    monkeypatch.setenv("AWS_PROFILE", "operator")
    assert aws._open_root_session().client("s3", endpoint_url="http://127.0.0.1:1")
