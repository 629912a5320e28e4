"""Who may touch which collection: the API key everything, a JWT signed with it what its claims say.

Source: https://qdrant.tech/documentation/guides/security/ and what Qdrant 1.18 was seen to do: a token
with a payload filter is refused, a token without ``access`` may do everything.
"""

import hmac
from dataclasses import dataclass

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

__all__ = ["Access", "Denied", "authorize"]


class Denied(Exception):
    """The request may not be made; ``status`` is 401 or 403."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Access:
    """Rights: by collection, ``*`` for all; each ``r``, ``rw`` or ``m`` (manage)."""

    rights: dict[str, str]

    def require(self, collection: str | None, needed: str) -> None:
        """Raise :class:`Denied` unless ``needed`` (``r``, ``rw`` or ``m``) is granted."""
        order = ("", "r", "rw", "m")
        granted = max(self.rights.get("*", ""), self.rights.get(collection or "", ""), key=order.index)
        if order.index(granted) < order.index(needed):
            where = f"collection {collection}" if collection else "global"
            raise Denied(403, f"Forbidden: {needed} access to {where} is required")


def authorize(presented: str, api_key: str) -> Access:
    """Return the rights of a presented key or token.

    Raises
    ------
    Denied
        It is neither the key nor a good token.
    """
    if not api_key or hmac.compare_digest(presented, api_key):
        return Access({"*": "m"})
    if presented.count(".") != 2:
        raise Denied(401, "Must provide an API key or an Authorization bearer token")
    try:
        claims = jwt.decode(presented, OctKey.import_key(api_key), algorithms=["HS256"]).claims
        jwt.JWTClaimsRegistry().validate(claims)
    except (JoseError, ValueError) as exc:
        raise Denied(401, f"Invalid JWT: {exc}") from exc
    return Access(_rights(claims.get("access")))


def _rights(access: object) -> dict[str, str]:
    if access is None:
        return {"*": "m"}
    if isinstance(access, str):
        return {"*": access}
    if not isinstance(access, list):
        raise Denied(401, "Invalid JWT: access is neither a string nor a list")
    if any("payload" in entry for entry in access):
        raise Denied(401, "Payload access is deprecated and should not be used")
    return {str(entry["collection"]): str(entry["access"]) for entry in access}
