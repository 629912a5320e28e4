"""Whose a file is: Open WebUI's account leads to Keycloak's, and that proves the tenant, as a token would.

Open WebUI's own word on groups and addresses is never asked.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from urllib.parse import quote

from servicekit.errors import RemoteError
from servicekit.keycloak import KeycloakAdmin
from servicekit.locks import KeyedLocks
from tenancy.directory import Directory
from tenancy.errors import NoTenant, TenantConflict, TenantSuspended, TokenRefused
from tenancy.identity import Claims, resolve
from tenancy.names import TENANT_UID_ATTRIBUTE

from ..models import Owner

__all__ = ["Owners"]

MOST = 20_000
"""People who are remembered; the least recently needed goes first."""

AT_ONCE = 8


class Owners:
    """Tenants of people, remembered for a while.

    Parameters
    ----------
    keycloak
        The realm, as a client that may view users and groups.
    tenants
        Returns all Tenants.
    seconds
        How long an answer of Keycloak's is taken for true. What the Tenants say counts at once.
    """

    def __init__(self, keycloak: KeycloakAdmin, tenants: Callable[[], Directory], *, seconds: float) -> None:
        self._keycloak = keycloak
        self._tenants = tenants
        self._seconds = seconds
        self._known: OrderedDict[str, tuple[float, Claims | None]] = OrderedDict()
        self._asking = KeyedLocks()
        self._bound = asyncio.Semaphore(AT_ONCE)

    async def of(self, subjects: Iterable[str]) -> dict[str, Owner]:
        """Return to whom subjects belong; ``known`` is false where Keycloak cannot say right now."""
        asked = list(subjects)
        found = await asyncio.gather(*map(self._of, asked))
        return dict(zip(asked, found, strict=True))

    async def _of(self, subject: str) -> Owner:
        try:
            return await self._resolve(subject, self._seconds)
        except TokenRefused:
            pass  # what is remembered is older than the Tenant
        except RemoteError:
            return Owner(known=False)
        try:
            return await self._resolve(subject, seconds=0)
        except (TokenRefused, RemoteError):
            # The operator has not yet written the new Tenant's uid to its group.
            return Owner(known=False)

    async def _resolve(self, subject: str, seconds: float) -> Owner:
        """Return whose a subject is, by what Keycloak said at most ``seconds`` ago."""
        async with self._asking[subject], self._bound:
            claims = await self._claims(subject, seconds)
        if claims is None:
            return Owner()
        try:
            person = resolve(claims, self._tenants())
            return Owner(person.tenant.id, admin=person.admin)
        except (NoTenant, TenantConflict, TenantSuspended):
            return Owner()

    async def _claims(self, subject: str, seconds: float) -> Claims | None:
        now = asyncio.get_running_loop().time()
        asked, claims = self._known.get(subject, (float("-inf"), None))
        if now - asked >= seconds:
            claims = await self._ask(subject)
            self._known[subject] = now, claims
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        self._known.move_to_end(subject)
        return claims

    async def _ask(self, subject: str) -> Claims | None:
        """Return what a token of the person would say; ``None`` when they could get none."""
        path = f"/users/{quote(subject, safe='')}"
        user = await self._keycloak.get("get-user", path)
        if user is None or user.get("id") != subject or user.get("enabled") is not True:
            return None
        issued_at = int(time.time())
        whole = {"briefRepresentation": "false"}
        groups = [group async for group in self._keycloak.list_all("list-groups", f"{path}/groups", whole)]
        return Claims(
            subject=subject,
            email=str(user.get("email") or ""),
            email_verified=user.get("emailVerified") is True,
            groups=frozenset(group["path"] for group in groups),
            tenant_uids=frozenset(
                uid
                for group in groups
                for uid in (group.get("attributes") or {}).get(TENANT_UID_ATTRIBUTE, ())
            ),
            issued_at=issued_at,
        )
