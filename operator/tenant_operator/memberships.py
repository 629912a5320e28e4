"""Repeated check of the memberships of tenants' groups in Open WebUI.

A membership opens a tenant's models and knowledge bases. It is right when the person has a verified address
in Keycloak that the group's Tenant names. Reconciles follow changes of Tenants. This check follows everything
else: changes of accounts in Keycloak, logins at which the gateway did not answer, and what others write to
Open WebUI. A wrong membership is removed here. A missing one is added by a reconcile, which never adds a
person whom a newer state of the Tenant has removed.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any

import structlog
from servicekit.errors import RemoteError
from tenancy.emails import matches_any
from tenancy.model import Tenant
from tenancy.names import REALM_PARENT_GROUP, group_path

from .clients.keycloak import Keycloak, verified_email
from .clients.open_webui import OpenWebui, subject_of
from .metrics import CHANGES
from .parts.workspace.plan import RETIRED, is_own_group
from .tenant_store import Tenants

__all__ = ["Memberships", "owners_of_groups"]

PROOF_SECONDS = 2.0
"""Longest wait for Keycloak before members whom a changed Tenant does not name have to leave."""

TENANTS = f"/{REALM_PARENT_GROUP}/"
"""Beginning of the names of tenants' groups."""


class Memberships:
    """Removes accounts from the groups in which they do not belong.

    It makes one call at a time, and spends at most half of its time on checks, however many accounts exist.

    Parameters
    ----------
    webui, keycloak
        Who is a member, and whose address is verified.
    tenants
        Every Tenant that is known.
    enqueue
        Has a Tenant reconciled, by its name.
    seconds
        Pause between two checks.
    """

    def __init__(
        self,
        webui: OpenWebui,
        keycloak: Keycloak,
        tenants: Tenants,
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
        """Check until cancelled; a check that fails is logged, and the next one comes as usual."""
        loop = asyncio.get_running_loop()
        spent = 0.0
        while True:
            await asyncio.sleep(max(self._seconds, spent))
            began = loop.time()
            await self._try(self.check())
            spent = loop.time() - began

    def revoke_soon(self, tenant_id: str) -> None:
        """Have the members removed whom a changed Tenant does not name, before any reconcile of it."""
        self._changed.put_nowait(tenant_id)

    async def follow(self) -> None:
        """Remove members whom changed Tenants do not name, until cancelled."""
        while True:
            tenant = self._tenants.get(await self._changed.get())
            if tenant and tenant.status.workspace and not tenant.deleting:
                await self._try(self.revoke(tenant, tenant.status.workspace.group_id))

    async def revoke(self, tenant: Tenant, group_id: str) -> None:
        """Remove the members of a group whom its Tenant does not name, whether Keycloak answers or not.

        Open WebUI has the address of a person's last login. Whoever has another one by now stays only when
        Keycloak says so in time.

        Raises
        ------
        RemoteError
            Open WebUI cannot be read.
        """
        members = await self._webui.members(group_id)
        patterns = tenant.spec.email_patterns
        unnamed = [member["id"] for member in members if not matches_any(patterns, member["email"])]
        proven = set[str]()
        try:
            async with asyncio.timeout(PROOF_SECONDS):
                for user_id in unnamed:
                    account = await self._webui.user(user_id)
                    address = await self._present_address(account) if account else ""
                    if self._uid_admitting(address) == tenant.metadata.uid:
                        proven.add(user_id)
        except (RemoteError, TimeoutError) as exc:
            self._log.warning("Addresses were not checked in time", tenant=tenant.id, error=str(exc))
        leaving = sorted(set(unnamed) - proven)
        if leaving:
            await self._remove(group_path(tenant.id), group_id, leaving)

    async def check(self) -> None:
        """Remove every wrong membership, and have the Tenants reconciled whose groups lack a person.

        Raises
        ------
        RemoteError
            Open WebUI or Keycloak cannot be read; nothing was removed.
        """
        groups = {group["id"]: group for group in await self._webui.groups()}
        owners = self._owners(groups.values())
        addresses = {user["id"]: verified_email(user) async for user in self._keycloak.verified_accounts()}
        wrong: defaultdict[str, list[str]] = defaultdict(list)
        incomplete = set[str]()
        async for account in self._webui.accounts():
            address = addresses.get(subject_of(account), "")
            for group_id in await self._wrong_groups(account, address, owners):
                wrong[group_id].append(account["id"])
            incomplete.update(self._missing_in(account, address, owners))
        for group_id, accounts in wrong.items():
            await self._remove(groups[group_id]["name"], group_id, accounts)
        for group_id, group in groups.items():
            if group["parent_group_id"] in owners:  # its members have the rights of the group above it
                await self._change(group["name"], "detach", self._webui.detach_group(group_id))
        for tenant_id in incomplete:
            self._enqueue(tenant_id)

    def _owners(self, groups: Iterable[dict[str, Any]]) -> dict[str, str | None]:
        """Return the owners of tenants' groups, but for those of Tenants that are still to be cleaned up.

        The clean-up knows people by their membership.
        """
        orphans = self._tenants.orphans()
        owners = owners_of_groups(groups, (*orphans, *self._tenants.all()))
        left = {orphan.metadata.uid for orphan in orphans}
        return {group_id: uid for group_id, uid in owners.items() if uid not in left}

    async def _wrong_groups(
        self, account: dict[str, Any], address: str, owners: Mapping[str, str | None]
    ) -> set[str]:
        """Return the tenants' groups that an account has to leave.

        Keycloak is asked again for that one account: lists can lack one that was written meanwhile.
        """
        found = self._of_others(account, address, owners)
        return found and self._of_others(account, await self._present_address(account), owners)

    async def _present_address(self, account: dict[str, Any]) -> str:
        """Return the verified address that an account has in Keycloak now; empty for none."""
        subject = subject_of(account)
        user = await self._keycloak.user(subject) if subject else None
        return verified_email(user) if user else ""

    def _of_others(self, account: dict[str, Any], address: str, owners: Mapping[str, str | None]) -> set[str]:
        """Return an account's groups of tenants to whom the address does not belong."""
        uid = self._uid_admitting(address)
        return {group_id for group_id in account["group_ids"] if owners.get(group_id, uid) != uid}

    def _uid_admitting(self, address: str) -> str:
        tenant = self._tenants.admitting(address)
        return tenant.metadata.uid if tenant else ""

    def _missing_in(
        self, account: dict[str, Any], address: str, owners: Mapping[str, str | None]
    ) -> Collection[str]:
        """Return the Tenant in whose group an account is missing.

        A reconcile finds accounts by the address that Open WebUI has. It adds nobody to a Tenant that is in
        conflict with an older one, or that is being deleted.
        """
        tenant = self._tenants.admitting(address)
        if tenant is None or tenant.deleting or self._tenants.claims.conflict(tenant):
            return ()
        is_member = tenant.metadata.uid in {owners.get(group_id) for group_id in account["group_ids"]}
        is_found = matches_any(tenant.spec.email_patterns, account["email"])
        return () if is_member or not is_found else (tenant.id,)

    async def _try(self, work: Awaitable[None]) -> None:
        """Log what goes wrong: the next check must come all the same."""
        try:
            await work
        except RemoteError as exc:
            self._log.warning("Memberships in Open WebUI were not checked", error=str(exc))
        except Exception:  # noqa: BLE001 (logged)
            self._log.exception("Memberships in Open WebUI were not checked")

    async def _remove(self, group: str, group_id: str, accounts: list[str]) -> None:
        change = f"remove {', '.join(accounts)}"
        await self._change(group, change, self._webui.remove_members(group_id, accounts))

    async def _change(self, group: str, change: str, writing: Awaitable[None]) -> None:
        """Make one write; another group's must not wait for one that fails."""
        try:
            await writing
        except RemoteError as exc:
            self._log.warning("A group was not corrected", group=group, error=str(exc))
            return
        CHANGES.labels("memberships").inc()
        self._log.warning("A membership was wrong", group=group, change=change)


def owners_of_groups(groups: Iterable[dict[str, Any]], tenants: Collection[Tenant]) -> dict[str, str | None]:
    """Return the uid of each tenant's group's Tenant, by the group's id.

    ``None`` is for groups that are named like a tenant's and belong to no Tenant that exists. Others are left
    out.
    """
    by_id = {tenant.status.workspace.group_id: tenant for tenant in tenants if tenant.status.workspace}
    by_name = {group_path(tenant.id): tenant for tenant in tenants}
    owners: dict[str, str | None] = {}
    for group in groups:
        namesake = by_name.get(group["name"])
        tenant = by_id.get(group["id"]) or (namesake if namesake and is_own_group(namesake, group) else None)
        if tenant or group["name"].startswith((TENANTS, RETIRED)):
            owners[group["id"]] = tenant.metadata.uid if tenant else None
    return owners
