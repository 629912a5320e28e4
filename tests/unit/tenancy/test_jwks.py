"""Tests of the cache of Keycloak's keys: refresh, rotation and outages."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
from joserfc.jwk import OKPKey
from tenancy.errors import IdentityUnavailable
from tenancy.jwks import MAX_AGE_SECONDS, MIN_FETCH_INTERVAL_SECONDS, REFRESH_AGE_SECONDS, RemoteKeys

from tests.support.timing.clock import simulate

URL = "http://keycloak.test/certs"


def simulate_test(
    scenario: Callable[["Realm", RemoteKeys], Coroutine[Any, Any, None]],
) -> Callable[[], None]:
    """Run a test with a separate realm in simulated time."""

    @functools.wraps(scenario)
    def test() -> None:
        async def run() -> None:
            realm = Realm()
            async with httpx.AsyncClient(transport=httpx.MockTransport(realm.answer)) as http:
                keys = RemoteKeys(URL, http)
                await scenario(realm, keys)
                await keys.close()

        simulate(run())

    del test.__wrapped__  # otherwise pytest would require the scenario's arguments
    return test


class Realm:
    """Fake realm that serves a key set and counts requests."""

    def __init__(self) -> None:
        self.fetches = 0
        self.status = 200
        self.seconds = 0.0
        self.keys = {"first": OKPKey.generate_key("Ed25519")}
        self.uses = {"first": "sig"}

    def rotate(self, new: str, *, use: str = "sig", withdraw: str = "") -> None:
        """Add a key and optionally remove one."""
        self.keys[new] = OKPKey.generate_key("Ed25519")
        self.uses[new] = use
        self.keys.pop(withdraw, None)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        assert str(request.url) == URL
        self.fetches += 1
        await asyncio.sleep(self.seconds)
        keys = [
            key.as_dict(private=False, kid=key_id, use=self.uses[key_id]) for key_id, key in self.keys.items()
        ]
        return httpx.Response(self.status, json={"keys": keys})


@simulate_test
async def test_concurrent_callers_share_one_fetch(realm: Realm, keys: RemoteKeys) -> None:
    realm.seconds = 1.0
    results = await asyncio.gather(*(keys.get("first") for _ in range(50)))
    assert {key.kid for key in results if key} == {"first"}
    await keys.get("first")
    assert realm.fetches == 1


@simulate_test
async def test_a_new_key_is_found_immediately(realm: Realm, keys: RemoteKeys) -> None:
    await keys.get("first")
    realm.rotate("second")
    await asyncio.sleep(MIN_FETCH_INTERVAL_SECONDS)
    key = await keys.get("second")
    assert key
    assert key.kid == "second"


@simulate_test
async def test_unknown_key_ids_do_not_cause_many_fetches(realm: Realm, keys: RemoteKeys) -> None:
    for number in range(1000):
        assert await keys.get(f"made-up-{number}") is None
        await asyncio.sleep(0.01)
    assert realm.fetches <= 10 / MIN_FETCH_INTERVAL_SECONDS + 1


@simulate_test
async def test_an_encryption_key_is_not_used_for_signatures(realm: Realm, keys: RemoteKeys) -> None:
    realm.rotate("sealing", use="enc")
    assert await keys.get("sealing") is None


@simulate_test
async def test_a_removed_key_is_refused_after_its_maximum_age(realm: Realm, keys: RemoteKeys) -> None:
    await keys.get("first")
    realm.rotate("second", withdraw="first")
    await asyncio.sleep(MAX_AGE_SECONDS + 1)
    assert await keys.get("first") is None


@simulate_test
async def test_old_keys_are_refreshed_in_the_background(realm: Realm, keys: RemoteKeys) -> None:
    await keys.get("first")
    realm.rotate("second", withdraw="first")
    await asyncio.sleep(REFRESH_AGE_SECONDS + 1)
    realm.seconds = 2.0
    began = asyncio.get_running_loop().time()
    assert await keys.get("first")
    assert asyncio.get_running_loop().time() == began
    await asyncio.sleep(3)
    assert await keys.get("first") is None
    assert realm.fetches == 2


@simulate_test
async def test_during_an_outage_the_last_keys_are_used(realm: Realm, keys: RemoteKeys) -> None:
    await keys.get("first")
    realm.status = 503
    await asyncio.sleep(10 * MAX_AGE_SECONDS)
    assert await keys.get("first")
    realm.status = 200
    realm.rotate("second", withdraw="first")
    await asyncio.sleep(MIN_FETCH_INTERVAL_SECONDS)
    await keys.get("first")  # starts the fetch
    await asyncio.sleep(1)
    assert await keys.get("first") is None


@simulate_test
async def test_a_hanging_keycloak_delays_a_caller_only_once(realm: Realm, keys: RemoteKeys) -> None:
    await keys.get("first")
    realm.seconds = 60
    await asyncio.sleep(MAX_AGE_SECONDS + 1)
    began = asyncio.get_running_loop().time()
    assert await keys.get("first")
    assert asyncio.get_running_loop().time() - began < 8
    await asyncio.sleep(MIN_FETCH_INTERVAL_SECONDS)
    began = asyncio.get_running_loop().time()
    assert await keys.get("first")
    assert asyncio.get_running_loop().time() == began


@simulate_test
async def test_waiting_for_the_first_keys_causes_no_further_fetch(realm: Realm, keys: RemoteKeys) -> None:
    """A readiness probe that fetched keys would fail on every gateway while Keycloak hangs."""
    await keys.wait_fetched()
    realm.seconds = 60
    await asyncio.sleep(10 * MAX_AGE_SECONDS)
    began = asyncio.get_running_loop().time()
    await keys.wait_fetched()
    assert asyncio.get_running_loop().time() == began
    assert realm.fetches == 1


@simulate_test
async def test_waiting_for_the_first_keys_raises_if_there_are_none(realm: Realm, keys: RemoteKeys) -> None:
    realm.status = 503
    with pytest.raises(IdentityUnavailable):
        await keys.wait_fetched()
    realm.status = 200
    await asyncio.sleep(MIN_FETCH_INTERVAL_SECONDS)
    await keys.wait_fetched()


@pytest.mark.parametrize("status", [404, 500, 503])
def test_missing_keys_are_an_outage_and_not_a_refused_token(status: int) -> None:
    @simulate_test
    async def run_scenario(realm: Realm, keys: RemoteKeys) -> None:
        realm.status = status
        with pytest.raises(IdentityUnavailable, match="Try again"):
            await keys.get("first")
        assert realm.fetches == (1 if status == 404 else 2), "only an outage is retried"

    run_scenario()


@simulate_test
async def test_fresh_keys_are_not_fetched_again(realm: Realm, keys: RemoteKeys) -> None:
    await asyncio.sleep(10 * REFRESH_AGE_SECONDS)
    await keys.get("first")
    await asyncio.sleep(2 * MIN_FETCH_INTERVAL_SECONDS)
    await keys.get("first")
    await asyncio.sleep(1)
    assert realm.fetches == 1


@simulate_test
async def test_a_cancelled_caller_does_not_cancel_the_shared_fetch(realm: Realm, keys: RemoteKeys) -> None:
    realm.seconds = 1.0
    first, second = (asyncio.create_task(keys.get("first")) for _ in range(2))
    await asyncio.sleep(0.5)
    first.cancel()
    assert await second
    assert realm.fetches == 1
