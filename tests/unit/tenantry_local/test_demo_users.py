"""Tests of the login of a demo user, without a real Keycloak."""

from pathlib import Path

import httpx
import pytest
import respx
from tenantry_local.context import Context
from tenantry_local.demo_users import get_access_token
from tenantry_local.processes import LocalError


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context.open(tmp_path, ephemeral=True)


def get_token_url(context: Context) -> str:
    return f"{context.build_url('keycloak')}/realms/tenantry/protocol/openid-connect/token"


@respx.mock
def test_a_user_signs_in_with_the_platforms_password_through_the_chosen_client(context: Context) -> None:
    route = respx.post(get_token_url(context)).respond(json={"access_token": "a.b.c"})
    assert get_access_token(context, "diana.tenantb@gmail.com", "other-app") == "a.b.c"
    form = dict(httpx.QueryParams(route.calls.last.request.content.decode()))
    assert form == {
        "grant_type": "password",
        "client_id": "other-app",
        "username": "diana.tenantb@gmail.com",
        "password": context.secrets["people"],
    }


@respx.mock
def test_the_error_for_an_unknown_user_lists_the_demo_users(context: Context) -> None:
    refusal = {"error": "invalid_grant", "error_description": "Invalid user credentials"}
    respx.post(get_token_url(context)).respond(401, json=refusal)
    with pytest.raises(LocalError) as error:
        get_access_token(context, "unknown@tenantb.example")
    assert "unknown@tenantb.example: Invalid user credentials" in str(error.value)
    assert "diana.tenantb@gmail.com" in str(error.value)
    assert context.secrets["people"] not in str(error.value)


@respx.mock
def test_an_error_page_of_a_proxy_is_reported_in_a_sentence(context: Context) -> None:
    respx.post(get_token_url(context)).respond(502, text="<html>")
    with pytest.raises(LocalError, match="status 502"):
        get_access_token(context, "diana.tenantb@gmail.com")


def test_the_error_for_an_unreachable_keycloak_has_a_remedy(context: Context) -> None:
    with pytest.raises(LocalError, match="make up"):
        get_access_token(context, "diana.tenantb@gmail.com")
