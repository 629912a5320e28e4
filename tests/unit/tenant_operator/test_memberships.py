"""Tests of the periodic check of memberships: removals and enqueued Tenants."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast

import pytest
from servicekit.errors import BackendUnavailable
from servicekit.tasks import run_background_task
from structlog.testing import capture_logs
from tenancy.names import DEFAULT_TENANT_CLASS
from tenant_operator import memberships
from tenant_operator.memberships import MembershipChecker
from tenant_operator.tenant_store import TenantStore

from tests.support.tenants.manifests import make_tenant_manifest
from tests.support.timing.waiting import wait_until

if TYPE_CHECKING:
    from tenant_operator.clients.keycloak import Keycloak
    from tenant_operator.clients.open_webui import OpenWebUI

UNAVAILABLE = BackendUnavailable("keycloak", "list-users", "unavailable")


def make_manifest(name: str, *emails: str, **metadata: str) -> dict[str, Any]:
    """Return a Tenant whose group in Open WebUI is ``g-{name}``."""
    manifest = make_tenant_manifest(name, identity={"emails": list(emails) or [f"*@{name}.example"]})
    manifest["metadata"] |= {"uid": f"uid-{name}", "creationTimestamp": "2026-11-01T00:00:00Z", **metadata}
    return manifest | {"status": {"workspace": {"groupId": f"g-{name}", "knowledge": []}}}


def make_group(group_id: str, name: str, uid: str = "", parent: str | None = None) -> dict[str, Any]:
    data = {"tenantry": {"uid": uid}} if uid else None
    return {"id": group_id, "name": name, "data": data, "parent_group_id": parent}


class FakeAccounts:
    """Keycloak client; ``late`` are accounts that its list does not contain yet."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.late: dict[str, dict[str, Any]] = {}
        self.fails: Exception | None = None
        self.hangs = False
        self.requested_users: list[str] = []

    def add(self, email: str, *, late: bool = False, **more: Any) -> None:
        known = {"id": f"s-{email}", "email": email, "emailVerified": True, "enabled": True, **more}
        (self.late if late else self.users)[known["id"]] = known

    async def list_verified_accounts(self) -> AsyncIterator[dict[str, Any]]:
        if self.fails:
            raise self.fails
        for user in self.users.values():
            yield user

    async def get_user(self, user_id: str) -> dict[str, Any] | None:
        self.requested_users.append(user_id)
        if self.fails:
            raise self.fails
        if self.hangs:
            await asyncio.Event().wait()
        return self.late.get(user_id) or self.users.get(user_id)


class FakeGroups:
    """Open WebUI client with groups, and accounts (``known``) that are members of some."""

    def __init__(self) -> None:
        self.listed = [
            make_group("g-acme", "/tenants/tenant-acme"),
            make_group("g-bolt", "/tenants/tenant-bolt"),
        ]
        self.known: dict[str, dict[str, Any]] = {}
        self.fails_at = ""
        self.detached: list[str] = []

    def add(self, email: str, *groups: str, subject: str | None = None) -> None:
        sub = f"s-{email}" if subject is None else subject
        oauth = {"oidc": {"sub": sub}} if sub else None
        self.known[email] = {"id": email, "email": email, "oauth": oauth, "group_ids": list(groups)}

    def get_groups(self, email: str) -> list[str]:
        return list(self.known[email]["group_ids"])

    async def list_groups(self) -> list[dict[str, Any]]:
        return self.listed

    async def list_members(self, group_id: str) -> list[dict[str, Any]]:
        return [account for account in self.known.values() if group_id in account["group_ids"]]

    async def list_accounts(self) -> AsyncIterator[dict[str, Any]]:
        for account in self.known.values():
            yield account

    async def get_user(self, user_id: str) -> dict[str, Any] | None:
        return self.known.get(user_id)

    async def remove_members(self, group_id: str, user_ids: list[str]) -> None:
        if group_id == self.fails_at:
            raise BackendUnavailable("open-webui", "remove-members", "unavailable")
        for user_id in user_ids:
            self.known[user_id]["group_ids"].remove(group_id)

    async def detach_group(self, group_id: str) -> None:
        self.detached.append(group_id)


class MembershipHarness:
    """Two Tenants, ``acme`` and ``bolt``, and a membership checker with fakes."""

    def __init__(self) -> None:
        self.webui, self.realm, self.tenants = FakeGroups(), FakeAccounts(), TenantStore(DEFAULT_TENANT_CLASS)
        self.enqueued: list[str] = []
        for name in ("acme", "bolt"):
            self.tenants.update(make_manifest(name))
        self.memberships = MembershipChecker(
            cast("OpenWebUI", self.webui),
            cast("Keycloak", self.realm),
            self.tenants,
            self.enqueued.append,
            0.01,
        )

    async def check(self, email: str) -> list[str]:
        """Run a check; return the groups of an account after it."""
        await self.memberships.check()
        return self.webui.get_groups(email)


@pytest.fixture
def harness() -> MembershipHarness:
    return MembershipHarness()


async def test_a_valid_membership_stays_without_a_second_request(harness: MembershipHarness) -> None:
    harness.realm.add("ann@acme.example")
    harness.webui.add("ann@acme.example", "g-acme", "choir")
    assert await harness.check("ann@acme.example") == ["g-acme", "choir"]
    assert harness.realm.requested_users == []
    assert harness.enqueued == []


@pytest.mark.parametrize(
    ("email", "more"),
    [
        ("nemo@nowhere.example", {}),
        ("bob@bolt.example", {}),
        ("ann@acme.example", {"emailVerified": False}),
        ("ann@acme.example", {"enabled": False}),
        ("ann@acme.example.evil.example", {}),
    ],
    ids=["no tenant", "another tenant", "not verified", "disabled", "only begins alike"],
)
async def test_an_account_whose_address_the_tenant_does_not_name_is_removed(
    email: str, more: dict[str, Any], harness: MembershipHarness
) -> None:
    harness.realm.add(email, **more)
    harness.webui.add(email, "g-acme", "choir")
    with capture_logs() as logs:
        assert await harness.check(email) == ["choir"]
    assert [(entry["event"], entry["group"]) for entry in logs] == [
        ("Removed an invalid membership", "/tenants/tenant-acme")
    ]


@pytest.mark.parametrize("subject", ["", "s-unknown"])
async def test_an_account_unknown_to_keycloak_is_removed(subject: str, harness: MembershipHarness) -> None:
    """The address in Open WebUI is no proof."""
    harness.webui.add("ann@acme.example", "g-acme", subject=subject)
    assert await harness.check("ann@acme.example") == []
    assert harness.enqueued == []


async def test_an_account_missing_in_the_list_is_requested_alone_and_stays(
    harness: MembershipHarness,
) -> None:
    harness.realm.add("ann@acme.example", late=True)
    harness.webui.add("ann@acme.example", "g-acme")
    assert await harness.check("ann@acme.example") == ["g-acme"]


async def test_an_account_removed_from_the_tenant_is_removed(harness: MembershipHarness) -> None:
    harness.realm.add("ann@acme.example")
    harness.webui.add("ann@acme.example", "g-acme")
    harness.tenants.update(make_manifest("acme", "bea@acme.example"))
    assert await harness.check("ann@acme.example") == []
    assert harness.enqueued == []


@pytest.mark.parametrize(
    "name", ["/tenants/tenant-gone", "/tenants/tenant-acme", "/tenants/x", "/retained/g"]
)
async def test_a_group_without_a_tenant_has_no_members(name: str, harness: MembershipHarness) -> None:
    harness.webui.listed.append(make_group("other", name, "uid-of-an-earlier-one"))
    harness.realm.add("ann@acme.example")
    harness.webui.add("ann@acme.example", "g-acme", "other")
    assert await harness.check("ann@acme.example") == ["g-acme"]


async def test_a_group_belongs_to_a_tenant_by_status_or_uid(harness: MembershipHarness) -> None:
    harness.webui.listed = [
        make_group("g-acme", "renamed"),
        make_group("new", "/tenants/tenant-acme", "uid-acme"),
    ]
    for email, group_id in (("ann@acme.example", "g-acme"), ("bea@acme.example", "new")):
        harness.realm.add(email)
        harness.webui.add(email, group_id)
        assert await harness.check(email) == [group_id]
    harness.webui.add("nemo@nowhere.example", "g-acme", "new")
    assert await harness.check("nemo@nowhere.example") == []


async def test_child_groups_of_a_tenants_group_are_detached(harness: MembershipHarness) -> None:
    harness.webui.listed += [
        make_group("child", "choir", parent="g-acme"),
        make_group("grandchild", "x", parent="child"),
    ]
    await harness.memberships.check()
    assert harness.webui.detached == ["child"]


async def test_a_missing_account_enqueues_the_tenant_and_is_not_added(harness: MembershipHarness) -> None:
    for email in ("ann@acme.example", "bea@acme.example", "bob@bolt.example"):
        harness.realm.add(email)
        harness.webui.add(email, *(["g-bolt"] if "bolt" in email else []))
    assert await harness.check("ann@acme.example") == []
    assert harness.enqueued == ["acme"]


async def test_an_account_that_a_reconcile_would_not_add_enqueues_nothing(harness: MembershipHarness) -> None:
    harness.tenants.update(make_manifest("ending", deletionTimestamp="2026-11-23T00:00:00Z"))
    harness.tenants.update(make_manifest("younger", "*@bolt.example", "x@younger.example"))
    for email in ("eve@ending.example", "x@younger.example"):
        harness.realm.add(email)
        harness.webui.add(email)
    harness.realm.add("new@acme.example", id="moved")
    # Only the next login brings the new address to Open WebUI.
    harness.webui.add("old@elsewhere.example", subject="moved")
    await harness.memberships.check()
    assert harness.enqueued == []


async def test_an_address_that_two_tenants_name_belongs_to_the_older_tenant(
    harness: MembershipHarness,
) -> None:
    harness.tenants.update(
        make_manifest("younger", "*@bolt.example", creationTimestamp="2026-11-02T00:00:00Z")
    )
    harness.webui.listed.append(make_group("g-younger", "/tenants/tenant-younger"))
    harness.realm.add("bob@bolt.example")
    harness.webui.add("bob@bolt.example", "g-bolt", "g-younger")
    assert await harness.check("bob@bolt.example") == ["g-bolt"]


async def test_the_group_of_a_tenant_in_deletion_keeps_its_members(harness: MembershipHarness) -> None:
    """The group identifies the people until their chats and files are deleted."""
    harness.tenants.update(make_manifest("acme", deletionTimestamp="2026-11-23T00:00:00Z"))
    for email in ("ann@acme.example", "nemo@nowhere.example"):
        harness.realm.add(email)
        harness.webui.add(email, "g-acme")
    assert await harness.check("ann@acme.example") == ["g-acme"]
    assert harness.webui.get_groups("nemo@nowhere.example") == []


async def test_the_group_of_an_orphan_keeps_its_members_until_the_clean_up(
    harness: MembershipHarness,
) -> None:
    harness.tenants.update(make_manifest("acme"), deleted=True)
    assert [orphan.id for orphan in harness.tenants.list_orphans()] == ["acme"]
    harness.webui.add("ann@acme.example", "g-acme")
    assert await harness.check("ann@acme.example") == ["g-acme"]
    harness.tenants.remove_orphan("acme")
    assert await harness.check("ann@acme.example") == []


async def test_a_failed_write_to_one_group_does_not_stop_the_next_group(harness: MembershipHarness) -> None:
    harness.webui.fails_at = "g-acme"
    harness.realm.add("nemo@nowhere.example")
    harness.webui.add("nemo@nowhere.example", "g-acme", "g-bolt")
    assert await harness.check("nemo@nowhere.example") == ["g-acme"]


@pytest.mark.parametrize("failure", [UNAVAILABLE, KeyError("a bug")])
async def test_a_failed_check_removes_no_member_and_the_next_check_runs(
    failure: Exception, harness: MembershipHarness
) -> None:
    harness.realm.fails = failure
    harness.webui.add("nemo@nowhere.example", "g-acme")
    with capture_logs() as logs:
        async with run_background_task(harness.memberships.run(), "checks"):
            await wait_until(lambda: len(logs) >= 2)
            assert harness.webui.get_groups("nemo@nowhere.example") == ["g-acme"]
            harness.realm.fails = None
            await wait_until(lambda: not harness.webui.get_groups("nemo@nowhere.example"))
    assert {entry["event"] for entry in logs[:2]} == {"Cannot check memberships in Open WebUI"}


@pytest.mark.parametrize("fault", ["none", "fails", "hangs"])
async def test_an_account_that_a_changed_tenant_does_not_name_is_removed_without_keycloak(
    fault: str, harness: MembershipHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The removal takes at most 5 s."""
    monkeypatch.setattr(memberships, "VERIFY_TIMEOUT_SECONDS", 0.05)
    harness.realm.fails = UNAVAILABLE if fault == "fails" else None
    harness.realm.hangs = fault == "hangs"
    for email in ("stays@acme.example", "goes@acme.example"):
        harness.realm.add(email)
        harness.webui.add(email, "g-acme", "choir")
    harness.tenants.update(make_manifest("acme", "stays@acme.example"))
    async with run_background_task(harness.memberships.run_revocations(), "revocations"):
        harness.memberships.enqueue_revocation("acme")
        await wait_until(lambda: harness.webui.get_groups("goes@acme.example") == ["choir"])
    assert harness.webui.get_groups("stays@acme.example") == ["g-acme", "choir"]


async def test_an_account_with_a_new_address_in_keycloak_stays_in_a_changed_tenant(
    harness: MembershipHarness,
) -> None:
    harness.realm.add("new@acme.example", id="moved")
    harness.webui.add("old@elsewhere.example", "g-acme", subject="moved")
    (acme,) = (each for each in harness.tenants.list_all() if each.id == "acme")
    await harness.memberships.revoke(acme, "g-acme")
    assert harness.webui.get_groups("old@elsewhere.example") == ["g-acme"]


async def test_a_failed_revocation_does_not_stop_later_revocations(harness: MembershipHarness) -> None:
    harness.webui.add("nemo@nowhere.example", "g-acme", "g-bolt")
    harness.tenants.update(make_manifest("gone", deletionTimestamp="2026-11-23T00:00:00Z"))
    harness.webui.fails_at = "g-acme"
    async with run_background_task(harness.memberships.run_revocations(), "revocations"):
        for name in ("unknown", "gone", "acme", "bolt"):
            harness.memberships.enqueue_revocation(name)
        await wait_until(lambda: harness.webui.get_groups("nemo@nowhere.example") == ["g-acme"])
