"""Access control: the API key grants all rights; a JWT signed with the key grants the rights in its claims.

Source: Qdrant's modules ``rbac`` and ``auth``, and tests of Qdrant 1.18. Like Qdrant, the stand-in rejects a
token with a payload filter, and grants all rights to a token without ``access``.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from joserfc import jwt
from joserfc.errors import BadSignatureError, ExpiredTokenError, JoseError
from joserfc.jwk import OctKey

__all__ = ["Access", "Authenticator", "Forbidden", "Level", "Unauthenticated"]

LEEWAY_SECONDS = 30
"""Tolerance for differing clocks: an expired token is valid for this long."""


class Unauthenticated(Exception):
    """The credentials are invalid. Qdrant answers in plain text.

    Parameters
    ----------
    status
        401, or 403 for a token that is expired or signed with another key.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Forbidden(Exception):
    """The credentials are valid but do not grant the operation."""


class Level(IntEnum):
    """Levels of rights on a collection."""

    READ = 1
    WRITE_POINTS = 2
    WRITE = 3
    """Points and payload indexes."""
    MANAGE = 4
    """Creation, change and deletion of collections."""


_GLOBAL = {"r": Level.READ, "m": Level.MANAGE}
_OF_COLLECTION = {"r": Level.READ, "prw": Level.WRITE_POINTS, "rw": Level.WRITE}


@dataclass(frozen=True)
class Access:
    """Rights on all collections, or per collection."""

    everywhere: Level | None = None
    collections: Mapping[str, Level] = field(default_factory=dict)

    def can_read(self, collection: str) -> bool:
        """Return True if a collection may be read."""
        return self.everywhere is not None or collection in self.collections

    def require_global(self) -> None:
        """Raise :class:`Forbidden` unless everything may be read."""
        if self.everywhere is None:
            raise Forbidden("Global access is required")

    def require(self, collection: str, needed: Level) -> None:
        """Raise :class:`Forbidden` unless the rights on a collection include a level."""
        if self.everywhere is not None:
            if needed > Level.READ and self.everywhere < needed:
                raise Forbidden("Global manage access is required")
            return
        if collection not in self.collections:
            raise Forbidden(f"Access to collection {collection} is required")
        if needed is Level.MANAGE:
            raise Forbidden("Manage access for this operation is required")
        if self.collections[collection] < needed:
            raise Forbidden(f"Write access to collection {collection} is required")


class Authenticator:
    """Verifies credentials and returns their rights.

    Parameters
    ----------
    api_key
        Key with all rights; if it is empty, every caller has all rights.
    """

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key.encode()
        self._signing_key = OctKey.import_key(api_key) if api_key else None

    def authenticate(self, presented: str) -> Access:
        """Return the rights of a key or token.

        Raises
        ------
        Unauthenticated
            The credentials are neither the key nor a valid token.
        """
        if self._signing_key is None:
            return Access(Level.MANAGE)
        if not presented:
            raise Unauthenticated(401, "Must provide an API key or an Authorization bearer token")
        if hmac.compare_digest(presented.encode(), self._api_key):
            return Access(Level.MANAGE)
        try:
            claims = jwt.decode(presented, self._signing_key, algorithms=["HS256"]).claims
            jwt.JWTClaimsRegistry(leeway=LEEWAY_SECONDS).validate(claims)
        except ExpiredTokenError as exc:
            raise Unauthenticated(403, "ExpiredSignature") from exc
        except BadSignatureError as exc:
            raise Unauthenticated(403, "InvalidSignature") from exc
        except (JoseError, ValueError) as exc:
            raise Unauthenticated(401, "Invalid API key or JWT") from exc
        if "value_exists" in claims:
            # Ignoring the claim would grant more rights than the token has.
            raise Unauthenticated(403, "Invalid JWT, stateful validation failed")
        return _read_access(claims)


def _read_access(claims: Mapping[str, object]) -> Access:
    access = claims.get("access", "m")
    try:
        match access:
            case str():
                return Access(_GLOBAL[access])
            case list():
                if any("payload" in entry for entry in access):
                    raise Unauthenticated(
                        401, "access: payload: Payload access is deprecated and should not be used"
                    )
                return Access(
                    None, {entry["collection"]: _OF_COLLECTION[entry["access"]] for entry in access}
                )
            case _:
                raise Unauthenticated(401, "Invalid API key or JWT")
    except (KeyError, TypeError) as exc:
        raise Unauthenticated(401, "Invalid API key or JWT") from exc
