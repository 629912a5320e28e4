"""Which memberships the repeated check removes, and which Tenants it has reconciled."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast

import pytest
from servicekit.errors import RemoteUnavailable
from servicekit.tasks import background_task
from structlog.testing import capture_logs
from tenant_operator import memberships
from tenant_operator.memberships import Memberships
from tenant_operator.tenant_store import Tenants

from tests.support.tenants import tenant_manifest
from tests.support.waiting import until

if TYPE_CHECKING:
    from tenant_operator.clients.keycloak import Keycloak
    from tenant_operator.clients.open_webui import OpenWebui

UNAVAILABLE = RemoteUnavailable("keycloak", "list-users", "it is away")


def tenant(name: str, *emails: str, **metadata: str) -> dict[str, Any]:
    """Return a Tenant whose group in Open WebUI is ``g-{name}``."""
    manifest = tenant_manifest(name, identity={"emails": list(emails) or [f"*@{name}.example"]})
    manifest["metadata"] |= {"uid": f"uid-{name}", "creationTimestamp": "2026-11-01T00:00:00Z", **metadata}
    return manifest | {"status": {"workspace": {"groupId": f"g-{name}", "knowledge": []}}}


def group(group_id: str, name: str, uid: str = "", parent: str | None = None) -> dict[str, Any]:
    data = {"tenantry": {"uid": uid}} if uid else None
    return {"id": group_id, "name": name, "data": data, "parent_group_id": parent}


class Realm:
    """A Keycloak; ``late`` are accounts that the list does not have yet."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.late: dict[str, dict[str, Any]] = {}
        self.fails: Exception | None = None
        self.hangs = False
        self.asked: list[str] = []

    def add(self, email: str, *, late: bool = False, **more: Any) -> None:
        known = {"id": f"s-{email}", "email": email, "emailVerified": True, "enabled": True, **more}
        (self.late if late else self.users)[known["id"]] = known

    async def verified_accounts(self) -> AsyncIterator[dict[str, Any]]:
        if self.fails:
            raise self.fails
        for user in self.users.values():
            yield user

    async def user(self, user_id: str) -> dict[str, Any] | None:
        self.asked.append(user_id)
        if self.fails:
            raise self.fails
        if self.hangs:
            await asyncio.Event().wait()
        return self.late.get(user_id) or self.users.get(user_id)


class Webui:
    """An Open WebUI: groups, and accounts (``known``) that are in some of them."""

    def __init__(self) -> None:
        self.listed = [group("g-acme", "/tenants/tenant-acme"), group("g-bolt", "/tenants/tenant-bolt")]
        self.known: dict[str, dict[str, Any]] = {}
        self.fails_at = ""
        self.detached: list[str] = []

    def add(self, email: str, *groups: str, subject: str | None = None) -> None:
        sub = f"s-{email}" if subject is None else subject
        oauth = {"oidc": {"sub": sub}} if sub else None
        self.known[email] = {"id": email, "email": email, "oauth": oauth, "group_ids": list(groups)}

    def groups_of(self, email: str) -> list[str]:
        return list(self.known[email]["group_ids"])

    async def groups(self) -> list[dict[str, Any]]:
        return self.listed

    async def members(self, group_id: str) -> list[dict[str, Any]]:
        return [account for account in self.known.values() if group_id in account["group_ids"]]

    async def accounts(self) -> AsyncIterator[dict[str, Any]]:
        for account in self.known.values():
            yield account

    async def user(self, user_id: str) -> dict[str, Any] | None:
        return self.known.get(user_id)

    async def remove_members(self, group_id: str, user_ids: list[str]) -> None:
        if group_id == self.fails_at:
            raise RemoteUnavailable("open-webui", "remove-members", "it is away")
        for user_id in user_ids:
            self.known[user_id]["group_ids"].remove(group_id)

    async def detach_group(self, group_id: str) -> None:
        self.detached.append(group_id)


class Stage:
    """Two Tenants, ``acme`` and ``bolt``, and the check."""

    def __init__(self) -> None:
        self.webui, self.realm, self.tenants = Webui(), Realm(), Tenants()
        self.enqueued: list[str] = []
        for name in ("acme", "bolt"):
            self.tenants.see(tenant(name))
        self.memberships = Memberships(
            cast("OpenWebui", self.webui),
            cast("Keycloak", self.realm),
            self.tenants,
            self.enqueued.append,
            0.01,
        )

    async def check(self, email: str) -> list[str]:
        """Make the check; return the groups in which an account is after it."""
        await self.memberships.check()
        return self.webui.groups_of(email)


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_a_right_membership_stays_and_keycloak_is_not_asked_again(stage: Stage) -> None:
    stage.realm.add("ann@acme.example")
    stage.webui.add("ann@acme.example", "g-acme", "choir")
    assert await stage.check("ann@acme.example") == ["g-acme", "choir"]
    assert stage.realm.asked == []
    assert stage.enqueued == []


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
async def test_whose_address_the_tenant_does_not_name_leaves(
    email: str, more: dict[str, Any], stage: Stage
) -> None:
    stage.realm.add(email, **more)
    stage.webui.add(email, "g-acme", "choir")
    with capture_logs() as logs:
        assert await stage.check(email) == ["choir"]
    assert [(entry["event"], entry["group"]) for entry in logs] == [
        ("A membership was wrong", "/tenants/tenant-acme")
    ]


@pytest.mark.parametrize("subject", ["", "s-of-nobody"])
async def test_an_account_that_keycloak_does_not_know_leaves(subject: str, stage: Stage) -> None:
    """Open WebUI's own address proves nothing."""
    stage.webui.add("ann@acme.example", "g-acme", subject=subject)
    assert await stage.check("ann@acme.example") == []
    assert stage.enqueued == []


async def test_whom_a_list_lacks_is_asked_for_alone_and_stays(stage: Stage) -> None:
    stage.realm.add("ann@acme.example", late=True)
    stage.webui.add("ann@acme.example", "g-acme")
    assert await stage.check("ann@acme.example") == ["g-acme"]


async def test_who_was_taken_out_of_the_tenant_leaves(stage: Stage) -> None:
    stage.realm.add("ann@acme.example")
    stage.webui.add("ann@acme.example", "g-acme")
    stage.tenants.see(tenant("acme", "bea@acme.example"))
    assert await stage.check("ann@acme.example") == []
    assert stage.enqueued == []


@pytest.mark.parametrize(
    "name", ["/tenants/tenant-gone", "/tenants/tenant-acme", "/tenants/x", "/retained/g"]
)
async def test_a_group_that_is_no_tenants_has_no_members(name: str, stage: Stage) -> None:
    stage.webui.listed.append(group("other", name, "uid-of-an-earlier-one"))
    stage.realm.add("ann@acme.example")
    stage.webui.add("ann@acme.example", "g-acme", "other")
    assert await stage.check("ann@acme.example") == ["g-acme"]


async def test_a_group_is_the_tenants_by_the_status_or_by_its_uid(stage: Stage) -> None:
    stage.webui.listed = [group("g-acme", "renamed"), group("new", "/tenants/tenant-acme", "uid-acme")]
    for email, group_id in (("ann@acme.example", "g-acme"), ("bea@acme.example", "new")):
        stage.realm.add(email)
        stage.webui.add(email, group_id)
        assert await stage.check(email) == [group_id]
    stage.webui.add("nemo@nowhere.example", "g-acme", "new")
    assert await stage.check("nemo@nowhere.example") == []


async def test_groups_below_a_tenants_group_are_detached(stage: Stage) -> None:
    stage.webui.listed += [group("child", "choir", parent="g-acme"), group("grandchild", "x", parent="child")]
    await stage.memberships.check()
    assert stage.webui.detached == ["child"]


async def test_who_is_missing_has_the_tenant_reconciled_and_is_not_added_here(stage: Stage) -> None:
    for email in ("ann@acme.example", "bea@acme.example", "bob@bolt.example"):
        stage.realm.add(email)
        stage.webui.add(email, *(["g-bolt"] if "bolt" in email else []))
    assert await stage.check("ann@acme.example") == []
    assert stage.enqueued == ["acme"]


async def test_nobody_is_missing_whom_a_reconcile_would_not_add(stage: Stage) -> None:
    stage.tenants.see(tenant("ending", deletionTimestamp="2026-11-23T00:00:00Z"))
    stage.tenants.see(tenant("younger", "*@bolt.example", "x@younger.example"))
    for email in ("eve@ending.example", "x@younger.example"):
        stage.realm.add(email)
        stage.webui.add(email)
    stage.realm.add("new@acme.example", id="moved")
    stage.webui.add("old@elsewhere.example", subject="moved")  # found by the next login alone
    await stage.memberships.check()
    assert stage.enqueued == []


async def test_an_address_of_two_tenants_is_the_older_ones(stage: Stage) -> None:
    stage.tenants.see(tenant("younger", "*@bolt.example", creationTimestamp="2026-11-02T00:00:00Z"))
    stage.webui.listed.append(group("g-younger", "/tenants/tenant-younger"))
    stage.realm.add("bob@bolt.example")
    stage.webui.add("bob@bolt.example", "g-bolt", "g-younger")
    assert await stage.check("bob@bolt.example") == ["g-bolt"]


async def test_the_group_of_a_tenant_that_is_being_deleted_keeps_its_people(stage: Stage) -> None:
    """Its people are known by it until their chats and files are deleted."""
    stage.tenants.see(tenant("acme", deletionTimestamp="2026-11-23T00:00:00Z"))
    for email in ("ann@acme.example", "nemo@nowhere.example"):
        stage.realm.add(email)
        stage.webui.add(email, "g-acme")
    assert await stage.check("ann@acme.example") == ["g-acme"]
    assert stage.webui.groups_of("nemo@nowhere.example") == []


async def test_the_group_of_a_vanished_tenant_keeps_its_people_until_it_is_cleaned_up(stage: Stage) -> None:
    stage.tenants.see(tenant("acme"), deleted=True)
    assert [orphan.id for orphan in stage.tenants.orphans()] == ["acme"]
    stage.webui.add("ann@acme.example", "g-acme")
    assert await stage.check("ann@acme.example") == ["g-acme"]
    stage.tenants.forget_orphan("acme")
    assert await stage.check("ann@acme.example") == []


async def test_a_group_that_cannot_be_corrected_holds_up_no_other(stage: Stage) -> None:
    stage.webui.fails_at = "g-acme"
    stage.realm.add("nemo@nowhere.example")
    stage.webui.add("nemo@nowhere.example", "g-acme", "g-bolt")
    assert await stage.check("nemo@nowhere.example") == ["g-acme"]


@pytest.mark.parametrize("failure", [UNAVAILABLE, KeyError("a bug")])
async def test_a_check_that_fails_removes_nobody_and_the_next_one_comes(
    failure: Exception, stage: Stage
) -> None:
    stage.realm.fails = failure
    stage.webui.add("nemo@nowhere.example", "g-acme")
    with capture_logs() as logs:
        async with background_task(stage.memberships.run(), "checks"):
            await until(lambda: len(logs) >= 2)
            assert stage.webui.groups_of("nemo@nowhere.example") == ["g-acme"]
            stage.realm.fails = None
            await until(lambda: not stage.webui.groups_of("nemo@nowhere.example"))
    assert {entry["event"] for entry in logs[:2]} == {"Memberships in Open WebUI were not checked"}


@pytest.mark.parametrize("fault", ["none", "fails", "hangs"])
async def test_whom_a_changed_tenant_does_not_name_leaves_before_keycloak_answers(
    fault: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 18, A3: out within 5 s."""
    monkeypatch.setattr(memberships, "PROOF_SECONDS", 0.05)
    stage.realm.fails = UNAVAILABLE if fault == "fails" else None
    stage.realm.hangs = fault == "hangs"
    for email in ("stays@acme.example", "goes@acme.example"):
        stage.realm.add(email)
        stage.webui.add(email, "g-acme", "choir")
    stage.tenants.see(tenant("acme", "stays@acme.example"))
    async with background_task(stage.memberships.follow(), "revocations"):
        stage.memberships.revoke_soon("acme")
        await until(lambda: stage.webui.groups_of("goes@acme.example") == ["choir"])
    assert stage.webui.groups_of("stays@acme.example") == ["g-acme", "choir"]


async def test_who_has_another_address_in_keycloak_by_now_stays_in_a_changed_tenant(stage: Stage) -> None:
    stage.realm.add("new@acme.example", id="moved")
    stage.webui.add("old@elsewhere.example", "g-acme", subject="moved")
    (acme,) = (each for each in stage.tenants.all() if each.id == "acme")
    await stage.memberships.revoke(acme, "g-acme")
    assert stage.webui.groups_of("old@elsewhere.example") == ["g-acme"]


async def test_a_revocation_that_fails_does_not_end_the_next_ones(stage: Stage) -> None:
    stage.webui.add("nemo@nowhere.example", "g-acme", "g-bolt")
    stage.tenants.see(tenant("gone", deletionTimestamp="2026-11-23T00:00:00Z"))
    stage.webui.fails_at = "g-acme"
    async with background_task(stage.memberships.follow(), "revocations"):
        for name in ("unknown", "gone", "acme", "bolt"):
            stage.memberships.revoke_soon(name)
        await until(lambda: stage.webui.groups_of("nemo@nowhere.example") == ["g-acme"])
