"""Authentication of callers by the ``Authorization`` header, for all services."""

from collections.abc import Sequence

import structlog

from .errors import IdentityUnavailable, TokenRefused
from .identity import Claims, Principal, TokenVerifier, resolve
from .registry import TenantRegistry

__all__ = ["check_synced", "identify", "parse_authorization", "require_bearer", "require_synced", "verify"]


def parse_authorization(headers: Sequence[str]) -> tuple[str, str]:
    """Return the scheme in lower case and the credentials.

    A request with several headers is refused, because a proxy could have checked another one.

    Parameters
    ----------
    headers
        All values of the request's ``Authorization`` header.

    Raises
    ------
    TokenRefused
        There is not exactly one header, its scheme is unknown, or it has no credentials.
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
        The request has no access token, or has a ticket instead.
    """
    scheme, token = parse_authorization(headers)
    if scheme != "bearer":
        raise TokenRefused("This route takes a person's access token: `Authorization: Bearer ...`.")
    return token


async def verify(token: str, tokens: TokenVerifier, registry: TenantRegistry) -> Claims:
    """Return the verified claims of an access token.

    Raises
    ------
    TokenRefused
        The token is not valid.
    IdentityUnavailable
        The Tenants have never been listed, or the realm's keys cannot be fetched.
    """
    claims = await tokens.verify(token)
    require_synced(registry)
    return claims


def identify(claims: Claims, registry: TenantRegistry) -> Principal:
    """Return the person and tenant of claims, and add the tenant to the log context.

    Raises
    ------
    NoTenant, TenantConflict, TenantSuspended
        The claims do not lead to exactly one active Tenant.
    """
    principal = resolve(claims, registry.directory)
    structlog.contextvars.bind_contextvars(tenant=principal.tenant.key)
    return principal


def require_synced(registry: TenantRegistry) -> None:
    """Raise while the Tenants have never been listed, because no tenant could be resolved.

    Raises
    ------
    IdentityUnavailable
        The Tenants have never been listed.
    """
    if not registry.synced:
        raise IdentityUnavailable("The Tenants are not known yet. Try again in a moment.")


async def check_synced(registry: TenantRegistry) -> None:
    """Run :func:`require_synced` as a readiness check."""
    require_synced(registry)
