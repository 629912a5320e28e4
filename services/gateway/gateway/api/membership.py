"""Cancellation of requests whose caller loses the right to act for the tenant."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from servicekit.errors import TenantryError
from tenancy.callers import identify
from tenancy.errors import NoTenant
from tenancy.identity import Claims
from tenancy.registry import TenantRegistry

from .auth import Context, Querier

__all__ = ["CallerMembership", "Membership"]

T = TypeVar("T")


class Membership:
    """Right of a caller to act for a tenant, checked again after each change of the Tenant.

    Parameters
    ----------
    claims
        The proven content of the caller's token.
    tenant_id
        Id of the Tenant that the claims proved.
    """

    def __init__(self, claims: Claims, tenant_id: str, registry: TenantRegistry) -> None:
        self._claims = claims
        self._tenant_id = tenant_id
        self._registry = registry
        self._lost: TenantryError | None = None
        self._waiting: asyncio.Timeout | None = None

    def check(self) -> None:
        """Cancel the awaited operation if the caller has lost the right."""
        try:
            if identify(self._claims, self._registry).tenant.id == self._tenant_id:
                return
            raise NoTenant("The account belongs to another tenant now. Log in again.")
        except TenantryError as exc:
            self._lost = exc
        if self._waiting:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def hold(self, awaitable: Awaitable[T]) -> T:
        """Return the result of an awaitable; cancel the awaitable when the caller loses the right.

        Raises
        ------
        TenantSuspended, NoTenant, TenantConflict, TokenRefused
            The caller has lost the right.
        """
        try:
            async with asyncio.timeout(None) as self._waiting:
                if self._lost:
                    self._waiting.reschedule(0)
                return await awaitable
        except TimeoutError as exc:
            if self._lost is None:
                raise
            raise self._lost from exc
        finally:
            self._waiting = None


async def _open_membership(request: Request, person: Querier, context: Context) -> AsyncIterator[Membership]:
    membership = Membership(request.state.claims, person.tenant.id, context.registry)
    with context.registry.subscribe(person.tenant.id, membership.check):
        yield membership


CallerMembership = Annotated[Membership, Depends(_open_membership)]
"""The caller's right while the response is being sent."""
