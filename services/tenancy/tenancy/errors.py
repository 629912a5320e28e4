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
]


class TokenRefused(TenantryError):
    """The access token is missing, malformed, expired, not meant for us, or older than its Tenant."""

    slug = "token-refused"
    title = "The access token was refused"
    remedy = "Log in again and send the new access token as `Authorization: Bearer`."
    example = "The access token does not hold: The token is expired. Log in again."
    status = 401


class TicketRefused(TenantryError):
    """The service ticket is malformed, expired, or signed by nobody we know."""

    slug = "ticket-refused"
    title = "The ticket was refused"
    remedy = (
        "Services make a new ticket for each call, signed with the key that the gateway knows, "
        "and send it within its minutes."
    )
    example = "The ticket does not hold: The token is expired. Ask for a new one."
    status = 401


class NoTenant(TenantryError):
    """The person is known, but belongs to no Tenant."""

    slug = "no-tenant"
    title = "No tenant for this account"
    remedy = "Ask your administrator to let the Tenant name your e-mail address, which has to be verified."
    example = "No tenant claims this account's e-mail address."
    status = 403


class TenantConflict(TenantryError):
    """The person's identity names more than one Tenant, so none can be chosen."""

    slug = "tenant-conflict"
    title = "More than one tenant claims this account"
    remedy = "Ask your administrator to leave your account in one tenant's group only."
    example = "This account is in the groups of acme and globex. An account has one tenant."
    status = 403


class TenantSuspended(TenantryError):
    """The Tenant exists but is suspended or on its way out."""

    slug = "tenant-suspended"
    title = "The tenant is suspended"
    remedy = "Ask whoever runs the platform; documents and settings are kept."
    example = "This tenant is suspended. Its administrators can say why and until when."
    status = 403


class IdentityUnavailable(TenantryError):
    """Nobody can be let in right now: the keys or the Tenants have never been read."""

    slug = "identity-unavailable"
    title = "Identity cannot be checked right now"
    remedy = (
        "Try again after `Retry-After`. If it stays, Keycloak or the Kubernetes API server cannot be reached."
    )
    example = "The Tenants are not known yet. Try again in a moment."
    status = 503


class TooManyCalls(TenantryError):
    """A tenant calls one process of a service more often than that serves it.

    Parameters
    ----------
    retry_after
        Seconds until the tenant may call again.
    """

    slug = "too-many-calls"
    title = "Too many calls"
    remedy = "Wait as long as `Retry-After` says."
    example = "The tenant may call this service 6000 times a minute. Try again in 1 s."
    status = 429

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
