"""Tests of the registry of Tenants against a fake API server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import stamina
from kubernetes.aio import client
from servicekit.errors import BackendRefused, BackendUnavailable
from tenancy import registry
from tenancy.names import DEFAULT_TENANT_CLASS
from tenancy.registry import TenantRegistry
from typing_extensions import override

from tests.support.tenants.manifests import make_tenant, make_tenant_manifest
from tests.support.timing.clock import simulate
from tests.support.timing.waiting import wait_until

TENANT = make_tenant("tenanta", uid="u-1")


def make_manifest(tenant_id: str, uid: str = "", **metadata: Any) -> dict[str, Any]:
    """Return a Tenant as the API server returns it."""
    shown = make_tenant_manifest(tenant_id)
    shown["metadata"] |= {"uid": uid or f"uid-{tenant_id}", "resourceVersion": "7", **metadata}
    return shown


@dataclass
class FakeWatch:
    """Fake watch that yields lines and then stays open until it is cancelled."""

    lines: list[bytes]

    @property
    def content(self) -> "FakeWatch":
        return self

    async def readline(self) -> bytes:
        if not self.lines:
            await asyncio.Event().wait()
        return self.lines.pop(0)

    def release(self) -> None:
        pass


@dataclass
class FakeApi:
    """Fake of two calls of the Kubernetes client that records their arguments."""

    lists: list[Any] = field(default_factory=list)
    watches: list[list[tuple[str, dict[str, Any]]]] = field(default_factory=list)
    one: Any = None
    reads: list[tuple[Any, ...]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    watched_from: list[str] = field(default_factory=list)

    async def get_cluster_custom_object(self, *path: str, **_: Any) -> Any:
        self.reads.append(path)
        if isinstance(self.one, Exception):
            raise self.one
        return self.one

    async def list_cluster_custom_object(self, *path: str, **options: Any) -> Any:
        """:return: object"""  # the client's watch reads the return type here
        assert path == ("tenantry.io", "v1alpha1", "tenants")
        if options.get("watch"):
            self.watched_from.append(options["resource_version"])
            self.options = options
            events = self.watches.pop(0) if self.watches else []
            lines = [json.dumps({"type": kind, "object": body}).encode() for kind, body in events]
            return FakeWatch([*lines, b""] if self.watches else lines)
        listed = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(listed, Exception):
            raise listed
        return {"items": listed, "metadata": {"resourceVersion": "5"}}


@pytest.fixture
async def api() -> FakeApi:
    return FakeApi(lists=[[]])


@pytest.fixture
async def known(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TenantRegistry]:
    monkeypatch.setattr(registry, "BACKOFF_DELAY_SECONDS", (0.001, 0.002))
    async with client.ApiClient() as unused:
        tenants = TenantRegistry(unused, DEFAULT_TENANT_CLASS)
        tenants._custom = cast("Any", api)
        with stamina.set_testing(True, attempts=2, cap=True):
            yield tenants


class RunningRegistry:
    """Run a registry inside the block."""

    def __init__(self, known: TenantRegistry) -> None:
        self._known = known

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._known.run())
        await asyncio.wait_for(self._known.wait_synced(), 5)

    async def __aexit__(self, *_: object) -> None:
        assert not self._task.done(), "the registry ended without a cancellation"
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


async def test_an_existing_tenant_is_current(known: TenantRegistry, api: FakeApi) -> None:
    api.one = make_manifest("tenanta", "u-1")
    assert await known.is_current(TENANT) is True
    assert api.reads == [("tenantry.io", "v1alpha1", "tenants", "tenanta")]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(client.exceptions.ApiException(status=404), id="gone"),
        pytest.param(make_manifest("tenanta", "u-2"), id="made again under its name"),
        pytest.param(
            make_manifest("tenanta", "u-1", deletionTimestamp="2026-11-23T00:00:00Z"), id="being deleted"
        ),
    ],
)
async def test_another_tenant_is_not_current(answer: Any, known: TenantRegistry, api: FakeApi) -> None:
    api.one = answer
    assert await known.is_current(TENANT) is False


@pytest.mark.parametrize(("status", "error"), [(403, BackendRefused), (500, BackendUnavailable)])
async def test_an_error_of_the_api_server_is_raised(
    status: int, error: type[Exception], known: TenantRegistry, api: FakeApi
) -> None:
    api.one = client.exceptions.ApiException(status=status)
    with pytest.raises(error):
        await known.is_current(TENANT)


async def test_watched_changes_are_applied(known: TenantRegistry, api: FakeApi) -> None:
    api.lists = [[make_manifest("a"), make_manifest("b")]]
    changed = make_manifest("a", suspended=True)
    changed["spec"]["suspended"] = True
    bookmark = {"metadata": {"resourceVersion": "9"}}
    api.watches = [
        [("ADDED", make_manifest("c")), ("MODIFIED", changed), ("DELETED", make_manifest("b"))],
        [("BOOKMARK", bookmark)],
        [("ADDED", make_manifest("d"))],
    ]
    assert not known.synced
    async with RunningRegistry(known):
        assert known.synced
        await wait_until(lambda: known.get("d") is not None)
        assert {tenant.id for tenant in known.list_tenants()} == {"a", "c", "d"}
        assert (tenant := known.get("a"))
        assert tenant.spec.suspended
    assert api.watched_from[:3] == ["5", "7", "9"]


async def test_a_watch_has_a_server_and_a_client_timeout(known: TenantRegistry, api: FakeApi) -> None:
    async with RunningRegistry(known):
        await wait_until(lambda: bool(api.options))
    assert api.options["allow_watch_bookmarks"] is True
    assert api.options["timeout_seconds"] == registry.WATCH_TIMEOUT_SECONDS
    assert 0 < api.options["_request_timeout"] - registry.WATCH_TIMEOUT_SECONDS <= 30


async def test_an_unreadable_tenant_is_ignored(known: TenantRegistry, api: FakeApi) -> None:
    strange = make_manifest("a")
    strange["spec"]["tier"] = "galactic"
    api.lists = [[strange, make_manifest("b")]]
    later = make_manifest("b")
    later["spec"]["tier"] = "galactic"
    api.watches = [[("MODIFIED", later), ("ADDED", make_manifest("c"))]]
    async with RunningRegistry(known):
        await wait_until(lambda: known.get("c") is not None)
        assert {tenant.id for tenant in known.list_tenants()} == {"c"}


@pytest.mark.parametrize("status", [410, 500])
async def test_a_tenant_deleted_during_a_lost_watch_is_removed(
    status: int, known: TenantRegistry, api: FakeApi
) -> None:
    api.lists = [
        [make_manifest("a"), make_manifest("b")],
        client.exceptions.ApiException(status=503),
        [make_manifest("b"), make_manifest("c")],
    ]
    lost = {"code": status, "reason": "Gone", "message": "too old"}
    api.watches = [[("ERROR", lost)], []]
    async with RunningRegistry(known):
        await wait_until(lambda: known.get("c") is not None)
        assert {tenant.id for tenant in known.list_tenants()} == {"b", "c"}


async def test_a_subscriber_gets_changes_until_it_unsubscribes(known: TenantRegistry, api: FakeApi) -> None:
    heard: list[str] = []
    with known.subscribe("a", lambda: heard.append("first")):
        with known.subscribe("a", lambda: heard.append("second")):
            known._apply("ADDED", make_manifest("a"))
            assert sorted(heard) == ["first", "second"]
            known._apply("ADDED", make_manifest("b"))
            assert len(heard) == 2, "changes of another tenant are not delivered"
        known._apply("DELETED", make_manifest("a"))
        assert heard[2:] == ["first"]
        await known._reload_directory()
        assert heard[2:] == ["first", "first"], "a list may contain any change"
    known._apply("ADDED", make_manifest("a"))
    assert len(heard) == 4
    assert not known._listeners


def test_programs_that_lost_the_api_server_together_do_not_list_together() -> None:
    listed_at: list[float] = []

    class RecordingApi(FakeApi):
        @override
        async def list_cluster_custom_object(self, *path: str, **options: Any) -> Any:
            if not options.get("watch"):
                listed_at.append(asyncio.get_running_loop().time())
            return await super().list_cluster_custom_object(*path, **options)

    async def run_registries() -> None:
        async with client.ApiClient() as unused:
            registries = [TenantRegistry(unused, DEFAULT_TENANT_CLASS) for _ in range(20)]
            for each in registries:
                each._custom = cast("Any", RecordingApi([client.exceptions.ApiException(status=503), []]))
            tasks = [asyncio.create_task(each.run()) for each in registries]
            await asyncio.sleep(10)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    simulate(run_registries())
    assert len(set(listed_at[20:])) == 20


async def test_tenants_of_other_classes_are_unknown(known: TenantRegistry, api: FakeApi) -> None:
    own, other, later = (make_manifest(name) for name in ("own", "other", "later"))
    for body in (other, later):
        body["spec"] |= {"tenantClass": "staging", "tier": "a tier of a newer version"}
    api.lists = [[own, other]]
    api.watches = [[("ADDED", later), ("MODIFIED", make_manifest("own"))]]
    unreadable = registry.UNREADABLE._value.get()
    async with RunningRegistry(known):
        await wait_until(lambda: not api.watches)
        assert [tenant.id for tenant in known.list_tenants()] == ["own"]
    assert registry.UNREADABLE._value.get() == unreadable, "tenants of other classes are not read"
