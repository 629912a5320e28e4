"""Keycloak's keys: fetched seldom, rotated without a pause, used on while Keycloak is away."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
from joserfc.jwk import OKPKey
from tenancy.errors import IdentityUnavailable
from tenancy.jwks import MAX_AGE_SECONDS, MIN_INTERVAL_SECONDS, REFRESH_SECONDS, RemoteKeys

from tests.support.clock import simulate

URL = "http://keycloak.test/certs"


def in_simulated_time(
    scenario: Callable[["Realm", RemoteKeys], Coroutine[Any, Any, None]],
) -> Callable[[], None]:
    """Run a test against a realm of its own, whose hours pass at once."""

    @functools.wraps(scenario)
    def test() -> None:
        async def run() -> None:
            realm = Realm()
            async with httpx.AsyncClient(transport=httpx.MockTransport(realm.answer)) as http:
                keys = RemoteKeys(URL, http)
                await scenario(realm, keys)
                await keys.close()

        simulate(run())

    del test.__wrapped__  # pytest would ask for the scenario's arguments
    return test


class Realm:
    """Serves a key set and counts how often it is asked for it."""

    def __init__(self) -> None:
        self.asked = 0
        self.status = 200
        self.seconds = 0.0
        self.keys = {"first": OKPKey.generate_key("Ed25519")}
        self.uses = {"first": "sig"}

    def rotate(self, new: str, *, use: str = "sig", withdraw: str = "") -> None:
        """Add a key, and perhaps take one away."""
        self.keys[new] = OKPKey.generate_key("Ed25519")
        self.uses[new] = use
        self.keys.pop(withdraw, None)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        assert str(request.url) == URL
        self.asked += 1
        await asyncio.sleep(self.seconds)
        keys = [
            key.as_dict(private=False, kid=key_id, use=self.uses[key_id]) for key_id, key in self.keys.items()
        ]
        return httpx.Response(self.status, json={"keys": keys})


@in_simulated_time
async def test_a_key_set_is_fetched_once_however_many_ask(realm: Realm, keys: RemoteKeys) -> None:
    realm.seconds = 1.0
    found = await asyncio.gather(*(keys.get("first") for _ in range(50)))
    assert {key.kid for key in found if key} == {"first"}
    await keys.get("first")
    assert realm.asked == 1


@in_simulated_time
async def test_a_key_that_is_new_is_found_at_once(realm: Realm, keys: RemoteKeys) -> None:
    await keys.get("first")
    realm.rotate("second")
    await asyncio.sleep(MIN_INTERVAL_SECONDS)
    key = await keys.get("second")
    assert key
    assert key.kid == "second"


@in_simulated_time
async def test_made_up_key_ids_do_not_make_us_hammer_keycloak(realm: Realm, keys: RemoteKeys) -> None:
    for number in range(1000):
        assert await keys.get(f"made-up-{number}") is None
        await asyncio.sleep(0.01)
    assert realm.asked <= 10 / MIN_INTERVAL_SECONDS + 1


@in_simulated_time
async def test_a_key_for_encryption_signs_nothing(realm: Realm, keys: RemoteKeys) -> None:
    realm.rotate("sealing", use="enc")
    assert await keys.get("sealing") is None


@in_simulated_time
async def test_a_withdrawn_key_is_refused_after_its_time(realm: Realm, keys: RemoteKeys) -> None:
    await keys.get("first")
    realm.rotate("second", withdraw="first")
    await asyncio.sleep(MAX_AGE_SECONDS + 1)
    assert await keys.get("first") is None


@in_simulated_time
async def test_nobody_waits_while_keys_that_grow_old_are_fetched_again(
    realm: Realm, keys: RemoteKeys
) -> None:
    await keys.get("first")
    realm.rotate("second", withdraw="first")
    await asyncio.sleep(REFRESH_SECONDS + 1)
    realm.seconds = 2.0
    began = asyncio.get_running_loop().time()
    assert await keys.get("first")
    assert asyncio.get_running_loop().time() == began
    await asyncio.sleep(3)
    assert await keys.get("first") is None
    assert realm.asked == 2


@in_simulated_time
async def test_while_keycloak_is_away_the_last_keys_hold(realm: Realm, keys: RemoteKeys) -> None:
    await keys.get("first")
    realm.status = 503
    await asyncio.sleep(10 * MAX_AGE_SECONDS)
    assert await keys.get("first")
    realm.status = 200
    realm.rotate("second", withdraw="first")
    await asyncio.sleep(MIN_INTERVAL_SECONDS)
    await keys.get("first")  # begins the fetch
    await asyncio.sleep(1)
    assert await keys.get("first") is None


@in_simulated_time
async def test_a_keycloak_that_hangs_holds_nobody_up_twice(realm: Realm, keys: RemoteKeys) -> None:
    await keys.get("first")
    realm.seconds = 60
    await asyncio.sleep(MAX_AGE_SECONDS + 1)
    began = asyncio.get_running_loop().time()
    assert await keys.get("first")
    assert asyncio.get_running_loop().time() - began < 8
    await asyncio.sleep(MIN_INTERVAL_SECONDS)
    began = asyncio.get_running_loop().time()
    assert await keys.get("first")
    assert asyncio.get_running_loop().time() == began


@in_simulated_time
async def test_whoever_only_waits_for_the_first_keys_asks_keycloak_no_more(
    realm: Realm, keys: RemoteKeys
) -> None:
    """D18: a readiness probe that asked would fail on every gateway while Keycloak hangs."""
    await keys.wait_fetched()
    realm.seconds = 60
    await asyncio.sleep(10 * MAX_AGE_SECONDS)
    began = asyncio.get_running_loop().time()
    await keys.wait_fetched()
    assert asyncio.get_running_loop().time() == began
    assert realm.asked == 1


@in_simulated_time
async def test_whoever_waits_for_the_first_keys_learns_that_there_are_none(
    realm: Realm, keys: RemoteKeys
) -> None:
    realm.status = 503
    with pytest.raises(IdentityUnavailable):
        await keys.wait_fetched()
    realm.status = 200
    await asyncio.sleep(MIN_INTERVAL_SECONDS)
    await keys.wait_fetched()


@pytest.mark.parametrize("status", [404, 500, 503])
def test_without_any_key_ever_the_caller_learns_that_it_is_not_the_tokens_fault(status: int) -> None:
    @in_simulated_time
    async def scenario(realm: Realm, keys: RemoteKeys) -> None:
        realm.status = status
        with pytest.raises(IdentityUnavailable, match="Try again"):
            await keys.get("first")
        assert realm.asked == (1 if status == 404 else 2), "only an outage is worth a second try"

    scenario()


@in_simulated_time
async def test_fresh_keys_are_not_fetched_again_however_long_we_run(realm: Realm, keys: RemoteKeys) -> None:
    await asyncio.sleep(10 * REFRESH_SECONDS)
    await keys.get("first")
    await asyncio.sleep(2 * MIN_INTERVAL_SECONDS)
    await keys.get("first")
    await asyncio.sleep(1)
    assert realm.asked == 1


@in_simulated_time
async def test_whoever_stops_waiting_takes_the_keys_from_nobody_else(realm: Realm, keys: RemoteKeys) -> None:
    realm.seconds = 1.0
    first, second = (asyncio.create_task(keys.get("first")) for _ in range(2))
    await asyncio.sleep(0.5)
    first.cancel()
    assert await second
    assert realm.asked == 1
