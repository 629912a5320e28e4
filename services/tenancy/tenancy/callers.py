"""Who calls a service of ours, by the ``Authorization`` header and nothing else."""

from collections.abc import Sequence

import structlog

from .errors import IdentityUnavailable, TokenRefused
from .identity import Claims, Principal, TokenVerifier, resolve
from .registry import TenantRegistry

__all__ = ["check_synced", "credentials", "identify", "require_bearer", "require_synced", "verify"]


def credentials(headers: Sequence[str]) -> tuple[str, str]:
    """Return scheme and credentials; two headers are refused, for who knows which one somebody checked.

    Parameters
    ----------
    headers
        All values of the request's ``Authorization``.

    Raises
    ------
    TokenRefused
        There is not exactly one, or it is none that we know.
    """
    scheme, _, secret = (headers[0] if len(headers) == 1 else "").partition(" ")
    if scheme.lower() not in ("bearer", "ticket") or not secret:
        raise TokenRefused("Send one `Authorization: Bearer` header with an access token.")
    return scheme.lower(), secret


def require_bearer(headers: Sequence[str]) -> str:
    """Return a person's access token.

    Raises
    ------
    TokenRefused
        There is none, or a ticket in its place.
    """
    scheme, token = credentials(headers)
    if scheme != "bearer":
        raise TokenRefused("This route takes a person's access token: `Authorization: Bearer ...`.")
    return token


async def verify(token: str, tokens: TokenVerifier, registry: TenantRegistry) -> Claims:
    """Return what an access token proves.

    Raises
    ------
    TokenRefused, IdentityUnavailable
        It proves nothing, or nobody's tenant could be told.
    """
    claims = await tokens.verify(token)
    require_synced(registry)
    return claims


def identify(claims: Claims, registry: TenantRegistry) -> Principal:
    """Return whose claims these are, and name the tenant in every log line that follows.

    Raises
    ------
    NoTenant, TenantConflict, TenantSuspended
        They open nothing.
    """
    principal = resolve(claims, registry.directory)
    structlog.contextvars.bind_contextvars(tenant=principal.tenant.key)
    return principal


def require_synced(registry: TenantRegistry) -> None:
    """Refuse while no Tenant has ever been listed: nobody's tenant could be told.

    Raises
    ------
    IdentityUnavailable
        None has.
    """
    if not registry.synced:
        raise IdentityUnavailable("The Tenants are not known yet. Try again in a moment.")


async def check_synced(registry: TenantRegistry) -> None:
    """Do the same as :func:`require_synced`, as a check of readiness."""
    require_synced(registry)
