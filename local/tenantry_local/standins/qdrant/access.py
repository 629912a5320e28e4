"""Who may touch which collection: the API key everything, a JWT signed with it what its claims say.

Source: Qdrant's own ``rbac`` and ``auth`` modules, and what a Qdrant 1.18 was seen to do: a token with a
payload filter is refused, a token without ``access`` may do everything.
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
"""How long an expired token is still good: clocks differ."""


class Unauthenticated(Exception):
    """The credentials are no good. Qdrant says so in plain text.

    Parameters
    ----------
    status
        401, or 403 for a token that was good once or elsewhere.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Forbidden(Exception):
    """The credentials are good, but not for this."""


class Level(IntEnum):
    """What may be done with a collection."""

    READ = 1
    WRITE_POINTS = 2
    WRITE = 3
    """Payload indexes as well."""
    MANAGE = 4
    """Collections themselves."""


_GLOBAL = {"r": Level.READ, "m": Level.MANAGE}
_OF_COLLECTION = {"r": Level.READ, "prw": Level.WRITE_POINTS, "rw": Level.WRITE}


@dataclass(frozen=True)
class Access:
    """Rights: everywhere, or else by collection."""

    everywhere: Level | None = None
    collections: Mapping[str, Level] = field(default_factory=dict)

    def can_read(self, collection: str) -> bool:
        """Whether a collection may be read."""
        return self.everywhere is not None or collection in self.collections

    def require(self, collection: str, needed: Level) -> None:
        """Raise :class:`NotAllowed` unless this much may be done with the collection."""
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
    """Turns credentials into rights.

    Parameters
    ----------
    api_key
        The key that may do everything; empty lets everybody do everything.
    """

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key.encode()
        self._signing_key = OctKey.import_key(api_key) if api_key else None

    def authenticate(self, presented: str) -> Access:
        """Return the rights of a presented key or token.

        Raises
        ------
        Rejected
            It is neither the key nor a good token.
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
            # To pass over it would grant more than the token does.
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
