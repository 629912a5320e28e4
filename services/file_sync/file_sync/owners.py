"""Whose a file is: Open WebUI's account leads to Keycloak's, and that proves the tenant, as a token would.

Open WebUI's own word on groups and addresses is never asked.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from urllib.parse import quote

from tenancy.directory import Directory
from tenancy.errors import NoTenant, RemoteError, TenantConflict, TenantSuspended
from tenancy.identity import Claims, resolve
from tenancy.keycloak import KeycloakAdmin
from tenancy.locks import KeyedLocks

from .models import Owner

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
            async with self._asking[subject], self._bound:
                claims = await self._claims(subject)
        except RemoteError:
            return Owner(known=False)
        if claims is None:
            return Owner()
        try:
            person = resolve(claims, self._tenants())
            return Owner(person.tenant.id, admin=person.admin)
        except (NoTenant, TenantConflict, TenantSuspended):
            return Owner()

    async def _claims(self, subject: str) -> Claims | None:
        now = asyncio.get_running_loop().time()
        asked, claims = self._known.get(subject, (float("-inf"), None))
        if now - asked >= self._seconds:
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
        brief = {"briefRepresentation": "true"}
        groups = [
            group["path"] async for group in self._keycloak.pages("list-groups", f"{path}/groups", brief)
        ]
        return Claims(
            subject=subject,
            email=str(user.get("email") or ""),
            email_verified=user.get("emailVerified") is True,
            groups=frozenset(groups),
        )
