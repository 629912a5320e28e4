"""Verification of Keycloak access tokens, and resolution of the one Tenant of their person.

The two steps are separate. :class:`TokenVerifier` checks that Keycloak issued the token for this audience and
that it has not expired. :func:`resolve` finds the Tenant. Membership is decided by the Tenant in the
registry: one of its patterns must match the *verified* e-mail. No claim replaces this match:

1. A tenant's group in the ``groups`` claim counts only together with that Tenant's uid, which the realm's
   mapper reads from the group. The name alone is no proof, because a later Tenant can have the same name.
2. Group and e-mail must not contradict each other. If several Tenants claim the address, the group decides.
3. A token issued before the creation of the Tenant is refused.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import extract_compact

from .directory import Directory
from .emails import matches_any
from .errors import NoTenant, TenantConflict, TenantSuspended, TokenRefused
from .jwks import RemoteKeys
from .model import Tenant
from .names import TENANT_UIDS_CLAIM, parse_group_path

__all__ = ["BEING_REMOVED", "Claims", "Principal", "TokenVerifier", "require_active", "resolve"]

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Allowed algorithms, all asymmetric: with a symmetric algorithm, the public key could sign tokens."""

LEEWAY_SECONDS = 5
"""Largest difference between Keycloak's clock and the local one."""

BEING_REMOVED = "This tenant is being deleted, so it serves no more requests."

MAX_TOKEN_CHARACTERS = 16_384
"""Longer tokens are refused without parsing."""


@dataclass(frozen=True)
class Claims:
    """Verified claims of an access token, or the state of an account in Keycloak at one moment.

    ``tenant_uids`` are the uids of the Tenants that own ``groups``. ``issued_at`` is in seconds since 1970.
    """

    subject: str
    email: str = ""
    email_verified: bool = False
    groups: frozenset[str] = frozenset()
    tenant_uids: frozenset[str] = frozenset()
    issued_at: int = 0
    raw: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Principal:
    """Person and the one Tenant for which they may act."""

    tenant: Tenant
    subject: str
    email: str
    admin: bool


class TokenVerifier:
    """Verifier of access tokens of one Keycloak realm.

    Parameters
    ----------
    issuer
        Exact issuer of the realm.
    audience
        Required entry of ``aud``.
    keys
        Public keys of the realm.
    """

    def __init__(self, issuer: str, audience: str, keys: RemoteKeys) -> None:
        self._keys = keys
        self._claims = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            # The realm's ID and refresh tokens also have valid signatures; only their type differs.
            typ={"essential": True, "value": "Bearer"},
        )

    async def verify(self, token: str) -> Claims:
        """Return the claims of a valid access token.

        Raises
        ------
        TokenRefused
            The token is not valid; the detail has the reason.
        IdentityUnavailable
            The realm's keys cannot be fetched.
        """
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise TokenRefused("The access token is longer than any that Keycloak issues.")
        try:
            header = extract_compact(token.encode()).headers()
            key = await self._keys.get(str(header.get("kid", "")))
            if key is None:
                raise TokenRefused("The access token was signed with a key that the realm does not have.")
            claims = jwt.decode(token, key, algorithms=ALGORITHMS).claims
            self._claims.validate(claims)
        except (JoseError, ValueError) as exc:
            raise TokenRefused(f"The access token is not valid: {_explain(exc)}. Log in again.") from exc
        return _to_claims(claims)


def resolve(claims: Claims, tenants: Directory) -> Principal:
    """Return the person with their one Tenant.

    Raises
    ------
    TokenRefused
        The claims are older than the Tenant, or lack its uid. A new token can be valid.
    NoTenant
        No Tenant claims the verified e-mail, or the Tenant of the group does not.
    TenantConflict
        The claims lead to more than one Tenant.
    TenantSuspended
        The Tenant is suspended, or being deleted.
    """
    member_of = _resolve_by_group(claims, tenants)
    tenant = _resolve_by_email(claims, tenants, member_of)
    _require_newer_than(tenant, claims)
    require_active(tenant)
    admin = matches_any(tenant.spec.identity.admins, claims.email)
    return Principal(tenant=tenant, subject=claims.subject, email=claims.email, admin=admin)


def require_active(tenant: Tenant) -> None:
    """Raise if a Tenant is out of service.

    Raises
    ------
    TenantSuspended
        The Tenant is suspended, or being deleted.
    """
    if tenant.deleting:
        raise TenantSuspended(BEING_REMOVED)
    if tenant.spec.suspended:
        raise TenantSuspended("This tenant is suspended. Ask its administrators for the reason.")


def _resolve_by_group(claims: Claims, tenants: Directory) -> Tenant | None:
    """Return the Tenant that owns the account's group; ``None`` if the account is in no tenant's group."""
    named = {tenant_id for path in claims.groups if (tenant_id := parse_group_path(path))}
    if len(named) > 1:
        raise TenantConflict(f"This account is in the groups of {_join(named)}. An account has one tenant.")
    if not named:
        return None
    (tenant_id,) = named
    tenant = tenants.get(tenant_id)
    if tenant is None:
        raise NoTenant("This account is in the group of a tenant that does not exist.")
    if not tenant.metadata.uid or tenant.metadata.uid not in claims.tenant_uids:
        raise TokenRefused(
            f"The access token names the group of {tenant_id} without the uid of this Tenant: it was issued "
            "for an earlier Tenant of that name, or before the realm had the mapper for it. Log in again; "
            "if the problem persists, ask your administrators."
        )
    return tenant


def _resolve_by_email(claims: Claims, tenants: Directory, member_of: Tenant | None) -> Tenant:
    """Return the Tenant that claims the verified e-mail address.

    It is the Tenant ``member_of`` if the account is in a group, else the only Tenant with a matching pattern.
    """
    if not claims.email:
        raise NoTenant("This account has no e-mail address, so no tenant can claim it.")
    if not claims.email_verified:
        raise NoTenant("This account's e-mail address is not verified.")
    claimants = tenants.find_by_email(claims.email)
    if member_of in claimants:
        return member_of
    ids = {tenant.id for tenant in claimants}
    if member_of and claimants:
        raise TenantConflict(
            f"This account is in the group of {member_of.id}, but its e-mail belongs to {_join(ids)}. "
            "Log in again; if the problem persists, ask your administrators."
        )
    if member_of:
        raise NoTenant(f"The tenant {member_of.id} does not claim this account's e-mail address.")
    if not claimants:
        raise NoTenant("No tenant claims this account's e-mail address.")
    if len(claimants) > 1:
        raise TenantConflict(f"The e-mail address is claimed by {_join(ids)}.")
    return claimants[0]


def _require_newer_than(tenant: Tenant, claims: Claims) -> None:
    created = tenant.metadata.creation_timestamp
    if created and claims.issued_at < int(created.timestamp()):
        raise TokenRefused("The access token is older than the tenant. Log in again.")


def _to_claims(claims: dict[str, Any]) -> Claims:
    return Claims(
        subject=str(claims["sub"]),
        email=str(claims.get("email") or ""),
        email_verified=claims.get("email_verified") is True,
        groups=_parse_texts(claims.get("groups")),
        tenant_uids=_parse_texts(claims.get(TENANT_UIDS_CLAIM)),
        issued_at=int(claims["iat"]),
        raw=claims,
    )


def _parse_texts(claim: Any) -> frozenset[str]:
    return frozenset(map(str, claim)) if isinstance(claim, list) else frozenset()


def _explain(exc: Exception) -> str:
    """Return the message of the JWT library, which names a claim and never the claim's value."""
    return str(getattr(exc, "description", "") or getattr(exc, "error", "") or "it is malformed").rstrip(".")


def _join(ids: Collection[str]) -> str:
    return " and ".join(sorted(ids))
