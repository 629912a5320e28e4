"""Resolver of file owners to tenants: Open WebUI names the person, and Keycloak proves the tenant.

The rules are those for an access token. Groups and addresses in Open WebUI are never used.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from urllib.parse import quote

from servicekit.errors import BackendError
from servicekit.keycloak import KeycloakAdmin
from servicekit.locks import KeyedLocks
from tenancy.directory import Directory
from tenancy.errors import NoTenant, TenantConflict, TenantSuspended, TokenRefused
from tenancy.identity import Claims, resolve
from tenancy.names import TENANT_UID_ATTRIBUTE

from ..models import Owner

__all__ = ["OwnerResolver"]

MAX_CACHED = 20_000
"""Number of people in the cache; the least recently used person is evicted first."""

CONCURRENCY = 8
"""Concurrent lookups in Keycloak."""


class OwnerResolver:
    """Resolves subjects of Keycloak to tenants, and caches Keycloak's answers.

    Parameters
    ----------
    keycloak
        Client of the realm that may view users and groups.
    tenants
        Returns all Tenants. A change of a Tenant has an immediate effect.
    seconds
        Lifetime of a cached answer of Keycloak.
    """

    def __init__(self, keycloak: KeycloakAdmin, tenants: Callable[[], Directory], *, seconds: float) -> None:
        self._keycloak = keycloak
        self._tenants = tenants
        self._seconds = seconds
        self._cached: OrderedDict[str, tuple[float, Claims | None]] = OrderedDict()
        self._locks = KeyedLocks()
        self._slots = asyncio.Semaphore(CONCURRENCY)

    async def resolve(self, subjects: Iterable[str]) -> dict[str, Owner]:
        """Return the owner of each subject; ``known`` is false while Keycloak does not answer."""
        requested = list(subjects)
        owners = await asyncio.gather(*map(self._resolve, requested))
        return dict(zip(requested, owners, strict=True))

    async def _resolve(self, subject: str) -> Owner:
        try:
            return await self._resolve_within(subject, self._seconds)
        except TokenRefused:
            pass  # the cached claims are older than the Tenant
        except BackendError:
            return Owner(known=False)
        try:
            return await self._resolve_within(subject, seconds=0)
        except (TokenRefused, BackendError):
            # The operator has not yet written the new Tenant's uid to its group.
            return Owner(known=False)

    async def _resolve_within(self, subject: str, seconds: float) -> Owner:
        """Return a subject's owner, from claims that are at most ``seconds`` old."""
        async with self._locks[subject], self._slots:
            claims = await self._find_claims(subject, seconds)
        if claims is None:
            return Owner()
        try:
            person = resolve(claims, self._tenants())
            return Owner(person.tenant.id, admin=person.admin)
        except (NoTenant, TenantConflict, TenantSuspended):
            return Owner()

    async def _find_claims(self, subject: str, seconds: float) -> Claims | None:
        now = asyncio.get_running_loop().time()
        fetched_at, claims = self._cached.get(subject, (float("-inf"), None))
        if now - fetched_at >= seconds:
            claims = await self._fetch_claims(subject)
            self._cached[subject] = now, claims
            if len(self._cached) > MAX_CACHED:
                self._cached.popitem(last=False)
        self._cached.move_to_end(subject)
        return claims

    async def _fetch_claims(self, subject: str) -> Claims | None:
        """Return the claims of the person's token; ``None`` if Keycloak would issue no token."""
        path = f"/users/{quote(subject, safe='')}"
        user = await self._keycloak.get("get-user", path)
        if user is None or user.get("id") != subject or user.get("enabled") is not True:
            return None
        issued_at = int(time.time())
        with_attributes = {"briefRepresentation": "false"}
        listed = self._keycloak.list_all("list-groups", f"{path}/groups", with_attributes)
        groups = [group async for group in listed]
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
