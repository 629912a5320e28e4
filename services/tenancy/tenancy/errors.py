"""Errors of tenants and identities that cross a layer, each an RFC 9457 problem."""

from servicekit.errors import TenantryError

__all__ = [
    "IdentityUnavailable",
    "NoTenant",
    "TenantConflict",
    "TenantSuspended",
    "TicketRefused",
    "TokenRefused",
    "TooManyCalls",
    "UnsupportedQdrant",
]


class TokenRefused(TenantryError):
    """The access token is missing, malformed, expired, for another audience, or older than its Tenant."""

    slug = "token-refused"
    title = "The access token was refused"
    remedy = "Log in again and send the new access token as `Authorization: Bearer`."
    example = "The access token is not valid: The token is expired. Log in again."
    status = 401


class TicketRefused(TenantryError):
    """The service ticket is malformed, expired, or signed with an unknown key."""

    slug = "ticket-refused"
    title = "The ticket was refused"
    remedy = (
        "Issue a new ticket for each call, sign it with a key that the gateway knows, and send it "
        "before it expires."
    )
    example = "The ticket is not valid: The token is expired. Ask for a new one."
    status = 401


class NoTenant(TenantryError):
    """The person is known, but belongs to no Tenant."""

    slug = "no-tenant"
    title = "No tenant for this account"
    remedy = "Ask your administrator to add your e-mail address to the Tenant. The address must be verified."
    example = "No tenant claims this account's e-mail address."
    status = 403


class TenantConflict(TenantryError):
    """The account belongs to more than one Tenant, so none is chosen."""

    slug = "tenant-conflict"
    title = "More than one tenant claims this account"
    remedy = "Ask your administrator to keep your account in one tenant's group only."
    example = "This account is in the groups of acme and globex. An account has one tenant."
    status = 403


class TenantSuspended(TenantryError):
    """The Tenant is suspended or being deleted."""

    slug = "tenant-suspended"
    title = "The tenant is suspended"
    remedy = (
        "Ask your tenant's administrators for the reason. "
        "A suspended tenant keeps its documents and settings."
    )
    example = "This tenant is suspended. Ask its administrators for the reason."
    status = 403


class IdentityUnavailable(TenantryError):
    """No caller can be authenticated yet: the realm's keys or the Tenants have never been read."""

    slug = "identity-unavailable"
    title = "Identity cannot be checked right now"
    remedy = (
        "Try again after `Retry-After`. If the problem persists, Keycloak or the Kubernetes API server "
        "cannot be reached."
    )
    example = "The Tenants are not known yet. Try again in a moment."
    status = 503


class UnsupportedQdrant(TenantryError):
    """Qdrant, or one of its peers, is too old to keep tenants' word weights apart, so nothing is searched."""

    slug = "unsupported-qdrant"
    title = "This version of Qdrant is not supported"
    remedy = "Try again after `Retry-After`. If the problem persists, the platform's Qdrant must be upgraded."
    example = "Qdrant has version 1.18.3. Tenantry needs 1.19 or later. Upgrade Qdrant."
    status = 503


class TooManyCalls(TenantryError):
    """The tenant exceeds the rate limit of one process of a service.

    Parameters
    ----------
    retry_after
        Seconds until the tenant may call again.
    """

    slug = "too-many-calls"
    title = "Too many calls"
    remedy = "Wait for the seconds in `Retry-After`."
    example = "The tenant may call this service 6000 times a minute. Try again in 1 s."
    status = 429

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
