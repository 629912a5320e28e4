"""Who is asking, and for which tenant: proven by a Keycloak access token, never parsed from a request.

Two steps that never mix. :class:`TokenVerifier` decides whether the token is Keycloak's, meant for us and
still good. :func:`resolve` decides which Tenant its claims prove, by two rules in this order:

1. The ``groups`` claim names exactly one tenant's group.
2. No tenant's group is named, and the *verified* e-mail falls under exactly one Tenant's patterns.

Anything else is refused, with the reason. A group always beats an e-mail, but the two must not
contradict each other: an address that another Tenant alone claims is a conflict, not a choice.
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
from .names import admins_group_path, tenant_id_from_group

__all__ = ["BEING_REMOVED", "Claims", "Principal", "TokenVerifier", "require_active", "resolve"]

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Asymmetric only: with a symmetric one our copy of a public key could be used to sign."""

LEEWAY_SECONDS = 5
"""How far Keycloak's clock and ours may differ."""

BEING_REMOVED = "This tenant is being removed, so it answers no more requests."

MAX_TOKEN_CHARACTERS = 16_384
"""Longer tokens are refused unread."""


@dataclass(frozen=True)
class Claims:
    """The proven content of an access token."""

    subject: str
    email: str = ""
    email_verified: bool = False
    groups: frozenset[str] = frozenset()
    raw: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Principal:
    """A person, and the one Tenant for which they may act."""

    tenant: Tenant
    subject: str
    email: str
    admin: bool


class TokenVerifier:
    """Checks access tokens of one Keycloak realm.

    Parameters
    ----------
    issuer
        The realm's issuer, to the letter.
    audience
        What must stand in ``aud``.
    keys
        The realm's public keys.
    """

    def __init__(self, issuer: str, audience: str, keys: RemoteKeys) -> None:
        self._keys = keys
        self._claims = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
            # An ID or refresh token of the same realm carries the same signature; only this tells them apart.
            typ={"essential": True, "value": "Bearer"},
        )

    async def verify(self, token: str) -> Claims:
        """Return what an access token proves.

        Raises
        ------
        TokenRefused
            It proves nothing; the detail says why.
        IdentityUnavailable
            The realm's keys cannot be had.
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
            raise TokenRefused(f"The access token does not hold: {_reason(exc)}. Log in again.") from exc
        return _to_claims(claims)


def resolve(claims: Claims, tenants: Directory) -> Principal:
    """Return the person together with the one Tenant that the claims prove.

    Raises
    ------
    NoTenant
        No Tenant's group is named, and no Tenant claims the verified e-mail.
    TenantConflict
        More than one Tenant is meant.
    TenantSuspended
        The Tenant is suspended, or being deleted.
    """
    tenant = _by_group(claims, tenants) or _by_email(claims, tenants)
    require_active(tenant)
    admin = admins_group_path(tenant.id) in claims.groups or (
        claims.email_verified and matches_any(tenant.spec.identity.admins, claims.email)
    )
    return Principal(tenant=tenant, subject=claims.subject, email=claims.email, admin=admin)


def require_active(tenant: Tenant) -> None:
    """Let nobody act for a Tenant that is out of service, by whatever proof they came.

    Raises
    ------
    TenantSuspended
        The Tenant is suspended, or being deleted.
    """
    if tenant.deleting:
        raise TenantSuspended(BEING_REMOVED)
    if tenant.spec.suspended:
        raise TenantSuspended("This tenant is suspended. Its administrators can say why and until when.")


def _by_group(claims: Claims, tenants: Directory) -> Tenant | None:
    named = {tenant_id for path in claims.groups if (tenant_id := tenant_id_from_group(path))}
    if len(named) > 1:
        raise TenantConflict(f"This account is in the groups of {_list(named)}. An account has one tenant.")
    if not named:
        return None
    (tenant_id,) = named
    tenant = tenants.get(tenant_id)
    if tenant is None:
        raise NoTenant("This account is in the group of a tenant that does not exist (any more).")
    claimants = _claimants(claims, tenants)
    if claimants and tenant_id not in {t.id for t in claimants}:
        raise TenantConflict(
            f"This account is in the group of {tenant_id}, but its e-mail belongs to "
            f"{_list({t.id for t in claimants})}. Log in again; if it stays, tell the administrators."
        )
    return tenant


def _by_email(claims: Claims, tenants: Directory) -> Tenant:
    if not claims.email:
        raise NoTenant("This account is in no tenant's group and has no e-mail address.")
    if not claims.email_verified:
        raise NoTenant("This account is in no tenant's group, and its e-mail address is not verified.")
    claimants = _claimants(claims, tenants)
    if not claimants:
        raise NoTenant("This account is in no tenant's group, and no tenant claims its e-mail address.")
    if len(claimants) > 1:
        raise TenantConflict(f"The e-mail address is claimed by {_list({t.id for t in claimants})}.")
    return claimants[0]


def _claimants(claims: Claims, tenants: Directory) -> list[Tenant]:
    if not (claims.email and claims.email_verified):
        return []
    return tenants.claimants(claims.email)


def _to_claims(claims: dict[str, Any]) -> Claims:
    groups = claims.get("groups", [])
    return Claims(
        subject=str(claims["sub"]),
        email=str(claims.get("email") or ""),
        email_verified=claims.get("email_verified") is True,
        groups=frozenset(map(str, groups)) if isinstance(groups, list) else frozenset(),
        raw=claims,
    )


def _reason(exc: Exception) -> str:
    """Say what was wrong in the library's words, which name a claim but never show its value."""
    return str(getattr(exc, "description", "") or getattr(exc, "error", "") or "it is malformed").rstrip(".")


def _list(ids: Collection[str]) -> str:
    return " and ".join(sorted(ids))
