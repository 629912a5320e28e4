"""Periodic check of the memberships of tenants' groups in Open WebUI.

A membership grants access to a tenant's models and knowledge bases. It is valid when the person has a
verified address in Keycloak that the group's Tenant names. Reconciles follow changes of Tenants. This check
follows all other changes: accounts in Keycloak, logins during an outage of the gateway, and manual changes in
Open WebUI. It removes invalid memberships. A reconcile adds missing memberships, but never of a person whom a
newer state of the Tenant has removed.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any

import structlog
from servicekit.errors import BackendError
from tenancy.emails import matches_any
from tenancy.model import Tenant
from tenancy.names import REALM_PARENT_GROUP, build_group_path

from .clients.keycloak import Keycloak, get_verified_email
from .clients.open_webui import OpenWebUI, get_subject
from .metrics import CHANGES
from .parts.workspace.plan import RETAINED_PREFIX, is_own_group
from .tenant_store import TenantStore

__all__ = ["MembershipChecker", "map_group_owners"]

VERIFY_TIMEOUT_SECONDS = 2.0
"""Longest wait for Keycloak before the removal of members whom a changed Tenant does not name."""

TENANTS_GROUP_PREFIX = f"/{REALM_PARENT_GROUP}/"
"""Prefix of the names of tenants' groups."""


class MembershipChecker:
    """Removes accounts from tenants' groups when no pattern of the Tenant matches their verified address.

    It makes one call at a time. The pause after a check is at least as long as the check.

    Parameters
    ----------
    webui, keycloak
        Clients for members of groups and for verified addresses.
    tenants
        Newest state of every Tenant.
    enqueue
        Enqueues a Tenant, by name, for a reconcile.
    seconds
        Pause between two checks.
    """

    def __init__(
        self,
        webui: OpenWebUI,
        keycloak: Keycloak,
        tenants: TenantStore,
        enqueue: Callable[[str], None],
        seconds: float,
    ) -> None:
        self._webui = webui
        self._keycloak = keycloak
        self._tenants = tenants
        self._enqueue = enqueue
        self._seconds = seconds
        self._changed: asyncio.Queue[str] = asyncio.Queue()
        self._log = structlog.get_logger("tenant_operator.memberships")

    async def run(self) -> None:
        """Check periodically until cancelled; a failed check is logged."""
        loop = asyncio.get_running_loop()
        spent = 0.0
        while True:
            await asyncio.sleep(max(self._seconds, spent))
            began = loop.time()
            await self._run_logged(self.check())
            spent = loop.time() - began

    def enqueue_revocation(self, tenant_id: str) -> None:
        """Schedule the removal of members whom a changed Tenant does not name."""
        self._changed.put_nowait(tenant_id)

    async def run_revocations(self) -> None:
        """Process scheduled removals until cancelled."""
        while True:
            tenant = self._tenants.get(await self._changed.get())
            if tenant and tenant.status.workspace and not tenant.deleting:
                await self._run_logged(self.revoke(tenant, tenant.status.workspace.group_id))

    async def revoke(self, tenant: Tenant, group_id: str) -> None:
        """Remove the members of a group whom its Tenant does not name, even when Keycloak does not answer.

        Open WebUI has the address of a person's last login. A person with another address since then stays
        only when Keycloak confirms it in time.

        Raises
        ------
        BackendError
            Open WebUI cannot be read.
        """
        members = await self._webui.list_members(group_id)
        patterns = tenant.spec.email_patterns
        unnamed = [member["id"] for member in members if not matches_any(patterns, member["email"])]
        verified = set[str]()
        try:
            async with asyncio.timeout(VERIFY_TIMEOUT_SECONDS):
                for user_id in unnamed:
                    account = await self._webui.get_user(user_id)
                    address = await self._fetch_address(account) if account else ""
                    if self._find_uid(address) == tenant.metadata.uid:
                        verified.add(user_id)
        except (BackendError, TimeoutError) as exc:
            self._log.warning("Keycloak did not confirm addresses in time", tenant=tenant.id, error=str(exc))
        leaving = sorted(set(unnamed) - verified)
        if leaving:
            await self._remove(build_group_path(tenant.id), group_id, leaving)

    async def check(self) -> None:
        """Remove invalid memberships, and enqueue the Tenants whose groups lack a person.

        Raises
        ------
        BackendError
            Open WebUI or Keycloak cannot be read; nothing was removed.
        """
        groups = {group["id"]: group for group in await self._webui.list_groups()}
        owners = self._map_owners(groups.values())
        addresses = {
            user["id"]: get_verified_email(user) async for user in self._keycloak.list_verified_accounts()
        }
        invalid: defaultdict[str, list[str]] = defaultdict(list)
        incomplete = set[str]()
        async for account in self._webui.list_accounts():
            address = addresses.get(get_subject(account), "")
            for group_id in await self._find_invalid_groups(account, address, owners):
                invalid[group_id].append(account["id"])
            incomplete.update(self._find_missing(account, address, owners))
        for group_id, accounts in invalid.items():
            await self._remove(groups[group_id]["name"], group_id, accounts)
        for group_id, group in groups.items():
            # Members of a child group inherit the rights of its parent.
            if group["parent_group_id"] in owners:
                await self._write_change(group["name"], "detach", self._webui.detach_group(group_id))
        for tenant_id in incomplete:
            self._enqueue(tenant_id)

    def _map_owners(self, groups: Iterable[dict[str, Any]]) -> dict[str, str | None]:
        """Return the owners of tenants' groups, without the groups of orphans.

        The clean-up of an orphan identifies people by their membership.
        """
        orphans = self._tenants.list_orphans()
        owners = map_group_owners(groups, (*orphans, *self._tenants.list_all()))
        orphaned = {orphan.metadata.uid for orphan in orphans}
        return {group_id: uid for group_id, uid in owners.items() if uid not in orphaned}

    async def _find_invalid_groups(
        self, account: dict[str, Any], address: str, owners: Mapping[str, str | None]
    ) -> set[str]:
        """Return the tenants' groups that an account has to leave.

        A second request to Keycloak confirms the result: a list can lack an account that was changed during
        the listing.
        """
        group_ids = self._find_groups_to_leave(account, address, owners)
        return group_ids and self._find_groups_to_leave(account, await self._fetch_address(account), owners)

    async def _fetch_address(self, account: dict[str, Any]) -> str:
        """Return the verified address that an account has in Keycloak, or an empty string."""
        subject = get_subject(account)
        user = await self._keycloak.get_user(subject) if subject else None
        return get_verified_email(user) if user else ""

    def _find_groups_to_leave(
        self, account: dict[str, Any], address: str, owners: Mapping[str, str | None]
    ) -> set[str]:
        """Return an account's groups whose Tenant does not own the address."""
        uid = self._find_uid(address)
        return {group_id for group_id in account["group_ids"] if owners.get(group_id, uid) != uid}

    def _find_uid(self, address: str) -> str:
        tenant = self._tenants.get_by_email(address)
        return tenant.metadata.uid if tenant else ""

    def _find_missing(
        self, account: dict[str, Any], address: str, owners: Mapping[str, str | None]
    ) -> Collection[str]:
        """Return the id of the Tenant whose group lacks an account, or an empty collection.

        A reconcile finds accounts by the address in Open WebUI. It adds no account to the group of a Tenant
        that is being deleted or that conflicts with an older Tenant.
        """
        tenant = self._tenants.get_by_email(address)
        if tenant is None or tenant.deleting or self._tenants.email_patterns.describe_conflict(tenant):
            return ()
        is_member = tenant.metadata.uid in {owners.get(group_id) for group_id in account["group_ids"]}
        is_found = matches_any(tenant.spec.email_patterns, account["email"])
        return () if is_member or not is_found else (tenant.id,)

    async def _run_logged(self, work: Awaitable[None]) -> None:
        """Await ``work`` and log its exceptions, so that the next check runs."""
        try:
            await work
        except BackendError as exc:
            self._log.warning("Cannot check memberships in Open WebUI", error=str(exc))
        except Exception:  # noqa: BLE001 (logged)
            self._log.exception("Cannot check memberships in Open WebUI")

    async def _remove(self, group: str, group_id: str, accounts: list[str]) -> None:
        change = f"remove {', '.join(accounts)}"
        await self._write_change(group, change, self._webui.remove_members(group_id, accounts))

    async def _write_change(self, group: str, change: str, writing: Awaitable[None]) -> None:
        """Make one write; log a failure instead of raising it, so that the other groups are still written."""
        try:
            await writing
        except BackendError as exc:
            self._log.warning("Cannot repair a group", group=group, error=str(exc))
            return
        CHANGES.labels("memberships").inc()
        self._log.warning("Removed an invalid membership", group=group, change=change)


def map_group_owners(groups: Iterable[dict[str, Any]], tenants: Collection[Tenant]) -> dict[str, str | None]:
    """Return the uid of the Tenant that owns each group, by the group's id.

    The uid is ``None`` for a group that has the name of a tenant's group, but no existing Tenant. The result
    has no entry for other groups.
    """
    by_id = {tenant.status.workspace.group_id: tenant for tenant in tenants if tenant.status.workspace}
    by_name = {build_group_path(tenant.id): tenant for tenant in tenants}
    owners: dict[str, str | None] = {}
    for group in groups:
        namesake = by_name.get(group["name"])
        tenant = by_id.get(group["id"]) or (namesake if namesake and is_own_group(namesake, group) else None)
        if tenant or group["name"].startswith((TENANTS_GROUP_PREFIX, RETAINED_PREFIX)):
            owners[group["id"]] = tenant.metadata.uid if tenant else None
    return owners
