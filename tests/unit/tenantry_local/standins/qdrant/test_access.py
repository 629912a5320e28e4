"""Tests of API keys and tokens: their rights and the errors without them."""

import time
from typing import Any

import httpx
import pytest
from tenantry_local.standins.qdrant.access import Access, Authenticator, Forbidden, Level, Unauthenticated

from tests.support.programs.standins import QDRANT_KEY, Standin, sign_qdrant_token

AUTHENTICATOR = Authenticator(QDRANT_KEY)


def grant_access(**claims: Any) -> Access:
    return AUTHENTICATOR.authenticate(sign_qdrant_token(**claims))


def test_the_key_grants_all_rights() -> None:
    AUTHENTICATOR.authenticate(QDRANT_KEY).require("k", Level.MANAGE)


def test_without_a_key_every_caller_has_all_rights() -> None:
    Authenticator("").authenticate("").require("k", Level.MANAGE)


def test_a_token_without_access_grants_all_rights() -> None:
    grant_access(sub="x").require("k", Level.MANAGE)


@pytest.mark.parametrize(
    ("access", "collection", "highest"),
    [
        ("m", "k", Level.MANAGE),
        ("r", "k", Level.READ),
        ([{"collection": "k", "access": "r"}], "k", Level.READ),
        ([{"collection": "k", "access": "prw"}], "k", Level.WRITE_POINTS),
        ([{"collection": "k", "access": "rw"}], "k", Level.WRITE),
        ([{"collection": "k", "access": "rw"}], "other", None),
        ([], "k", None),
    ],
)
def test_a_token_grants_exactly_the_rights_in_its_claims(
    access: Any, collection: str, highest: Level | None
) -> None:
    granted = grant_access(access=access)
    for level in Level:
        if highest is not None and level <= highest:
            granted.require(collection, level)
        else:
            with pytest.raises(Forbidden):
                granted.require(collection, level)


@pytest.mark.parametrize(
    ("credential", "status", "message"),
    [
        ("", 401, "Must provide an API key or an Authorization bearer token"),
        ("guess", 401, "Invalid API key or JWT"),
        ("a.b.c", 401, "Invalid API key or JWT"),
        (sign_qdrant_token("another key, as long as ours", access="r"), 403, "InvalidSignature"),
        (sign_qdrant_token(access="r", exp=int(time.time()) - 60), 403, "ExpiredSignature"),
        (sign_qdrant_token(access="everything"), 401, "Invalid API key or JWT"),
        (sign_qdrant_token(access=[{"collection": "k"}]), 401, "Invalid API key or JWT"),
        (sign_qdrant_token(access=7), 401, "Invalid API key or JWT"),
        (
            sign_qdrant_token(value_exists={"collection": "k", "matches": []}),
            403,
            "stateful validation failed",
        ),
        (
            sign_qdrant_token(access=[{"collection": "k", "access": "r", "payload": {"tenantId": "a"}}]),
            401,
            "deprecated and should not be used",
        ),
    ],
    ids=lambda value: str(value)[:24],
)
def test_bad_credentials_are_refused(credential: str, status: int, message: str) -> None:
    with pytest.raises(Unauthenticated, match=message) as caught:
        AUTHENTICATOR.authenticate(credential)
    assert caught.value.status == status


def test_an_expired_token_is_accepted_for_less_than_half_a_minute() -> None:
    grant_access(access="r", exp=int(time.time()) - 5).require("k", Level.READ)


def test_an_unsigned_token_is_refused() -> None:
    # {"alg":"none"} . {"access":"m"} .
    with pytest.raises(Unauthenticated):
        AUTHENTICATOR.authenticate("eyJhbGciOiJub25lIn0.eyJhY2Nlc3MiOiJtIn0.")


def test_a_token_for_one_collection_grants_no_other(standin: Standin) -> None:
    token = sign_qdrant_token(access=[{"collection": "mine", "access": "r"}])
    bearer = {"Authorization": f"Bearer {token}"}
    for name in ("mine", "theirs"):
        httpx.put(f"{standin.url}/collections/{name}", json={"vectors": {}}, headers={"api-key": QDRANT_KEY})
    with httpx.Client(base_url=standin.url, headers=bearer) as client:
        assert client.get("/collections/mine").status_code == 200
        listed = client.get("/collections").json()["result"]["collections"]
        assert listed == [{"name": "mine"}]
        refused = [
            client.get("/collections/theirs"),
            client.get("/collections/theirs/exists"),
            client.post("/collections/theirs/points/query", json={"query": [1.0]}),
            client.post("/collections/mine/points/delete", json={"points": [1]}),
            client.put("/collections/mine/index", json={"field_name": "tenantId"}),
            client.put("/collections/new", json={"vectors": {}}),
            client.delete("/collections/mine"),
        ]
    assert [response.status_code for response in refused] == [403] * 7
    assert refused[0].json()["status"]["error"] == "Forbidden: Access to collection theirs is required"


def test_only_identity_and_probes_need_no_key(standin: Standin) -> None:
    def get_status(path: str) -> int:
        return httpx.get(f"{standin.url}{path}").status_code

    assert [get_status(path) for path in ("/", "/healthz", "/readyz", "/livez")] == [200] * 4
    assert [get_status(path) for path in ("/collections", "/collections/k", "/collections/k/exists")] == [
        401
    ] * 3
