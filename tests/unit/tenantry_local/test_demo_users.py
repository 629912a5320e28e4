"""Signing in as one of the demo's people; the real Keycloak is tests/integration's matter."""

from pathlib import Path

import httpx
import pytest
import respx
from tenantry_local.context import Context
from tenantry_local.demo_users import access_token
from tenantry_local.processes import LocalError


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context.open(tmp_path, ephemeral=True)


def token_url(context: Context) -> str:
    return f"{context.url('keycloak')}/realms/tenantry/protocol/openid-connect/token"


@respx.mock
def test_a_person_signs_in_with_the_platforms_password_through_the_chosen_client(context: Context) -> None:
    route = respx.post(token_url(context)).respond(json={"access_token": "a.b.c"})
    assert access_token(context, "diana.tenantb@gmail.com", "other-app") == "a.b.c"
    form = dict(httpx.QueryParams(route.calls.last.request.content.decode()))
    assert form == {
        "grant_type": "password",
        "client_id": "other-app",
        "username": "diana.tenantb@gmail.com",
        "password": context.secrets["people"],
    }


@respx.mock
def test_an_unknown_person_is_told_who_there_is(context: Context) -> None:
    refusal = {"error": "invalid_grant", "error_description": "Invalid user credentials"}
    respx.post(token_url(context)).respond(401, json=refusal)
    with pytest.raises(LocalError) as told:
        access_token(context, "nobody@tenantb.example")
    assert "nobody@tenantb.example: Invalid user credentials" in str(told.value)
    assert "diana.tenantb@gmail.com" in str(told.value)
    assert context.secrets["people"] not in str(told.value)


@respx.mock
def test_a_proxys_error_page_is_still_a_sentence(context: Context) -> None:
    respx.post(token_url(context)).respond(502, text="<html>")
    with pytest.raises(LocalError, match="status 502"):
        access_token(context, "diana.tenantb@gmail.com")


def test_a_keycloak_that_does_not_answer_is_told_with_what_to_do(context: Context) -> None:
    with pytest.raises(LocalError, match="make up"):
        access_token(context, "diana.tenantb@gmail.com")
