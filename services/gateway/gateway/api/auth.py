"""Authentication and authorization dependencies; they read only the ``Authorization`` header.

``Bearer`` carries a person's access token. ``Ticket`` carries a service's ticket, which allows one action of
one tenant, so only the routes of these actions accept it.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

import structlog
from fastapi import Depends, Request
from tenancy.callers import identify, parse_authorization, require_bearer, require_synced, verify
from tenancy.errors import NoTenant, TicketRefused
from tenancy.identity import Principal, require_active
from tenancy.model import Tenant
from tenancy.tickets import Ticket, TicketAction

from ..context import GatewayContext
from ..problems import AdminOnly
from ..timings import RequestTimings

__all__ = [
    "Administrator",
    "Context",
    "Deleter",
    "Ingester",
    "Lister",
    "Person",
    "Querier",
    "TicketHolder",
    "Timings",
    "identify_person",
]


class TicketHolder:
    """A service with a valid ticket for one action."""

    def __init__(self, tenant: Tenant, ticket: Ticket) -> None:
        self.tenant = tenant
        self.ticket = ticket


# The dependencies are coroutines although they do not wait: FastAPI runs a plain function in a thread, which
# is much slower.


async def _get_context(request: Request) -> GatewayContext:
    context: GatewayContext = request.app.state.context
    return context


async def _get_timings(request: Request) -> RequestTimings:
    timings: RequestTimings = request.state.timings
    return timings


Context = Annotated[GatewayContext, Depends(_get_context)]
Timings = Annotated[RequestTimings, Depends(_get_timings)]


async def identify_person(request: Request) -> Principal:
    """Return the person that the request's token proves and acquire a slot, once per request.

    Raises
    ------
    TokenRefused, NoTenant, TenantConflict, TenantSuspended, IdentityUnavailable
        The token does not prove an active member of a tenant.
    Overloaded
        All slots are taken.
    """
    state, context = request.state, await _get_context(request)
    if (identified := getattr(state, "person", None)) is not None:
        person: Principal = identified
        return person
    token = require_bearer(request.headers.getlist("authorization"))
    with state.timings.measure("auth"):
        claims = await verify(token, context.tokens, context.registry)
        person = identify(claims, context.registry)
    await state.admit(person.tenant.key)
    state.person, state.claims = person, claims
    return person


async def _authenticate_person(request: Request, context: Context) -> Principal:
    person = await identify_person(request)
    context.calls.count(person.tenant.id)
    return person


def _accept_person_or_ticket(
    action: TicketAction,
) -> Callable[[Request, GatewayContext, RequestTimings], Awaitable[Principal | TicketHolder]]:
    """Return a dependency that accepts a person, or a service with a ticket for an action."""

    async def authenticate_caller(
        request: Request, context: Context, timings: Timings
    ) -> Principal | TicketHolder:
        scheme, secret = parse_authorization(request.headers.getlist("authorization"))
        if scheme != "ticket":
            return await _authenticate_person(request, context)
        with timings.measure("auth"):
            holder = _verify_ticket(secret, action, context)
        await request.state.admit(holder.tenant.key)
        context.calls.count(holder.tenant.id)
        return holder

    return authenticate_caller


Person = Annotated[Principal, Depends(_authenticate_person)]
Ingester = Annotated[Principal | TicketHolder, Depends(_accept_person_or_ticket(TicketAction.INGEST))]
Lister = Annotated[Principal | TicketHolder, Depends(_accept_person_or_ticket(TicketAction.LIST))]
Deleter = Annotated[Principal | TicketHolder, Depends(_accept_person_or_ticket(TicketAction.DELETE))]


async def _authenticate_querier(request: Request, context: Context, timings: Timings) -> Principal:
    person = await identify_person(request)
    with timings.measure("limit"):
        rate = await context.rate.count(person.tenant)
    request.state.headers.update(rate.to_headers())
    rate.require_allowed()
    return person


async def _require_administrator(person: Person) -> Principal:
    if not person.admin:
        raise AdminOnly("Only the tenant's administrators may do this. The Tenant resource names them.")
    return person


Querier = Annotated[Principal, Depends(_authenticate_querier)]
"""A person whose query is within the tenant's rate limit; the query counts even if it fails later."""

Administrator = Annotated[Principal, Depends(_require_administrator)]
"""A person who is one of the tenant's administrators."""


def _verify_ticket(token: str, action: TicketAction, context: GatewayContext) -> TicketHolder:
    ticket = context.tickets.verify(token)
    if ticket.action is not action:
        raise TicketRefused(f"The ticket allows {ticket.action}, not {action}. Request another ticket.")
    require_synced(context.registry)
    tenant = context.registry.get(ticket.tenant_id)
    if tenant is None:
        raise NoTenant("The ticket is for a tenant that does not exist (any more).")
    if ticket.tenant_uid != tenant.uid:
        raise TicketRefused("The ticket was issued for an earlier tenant of this name. Request a new ticket.")
    require_active(tenant)
    structlog.contextvars.bind_contextvars(tenant=tenant.key)
    return TicketHolder(tenant, ticket)
