"""Tickets: how a service acts for a tenant without a person's token.

A ticket is a short-lived EdDSA JWT that names one document of one tenant. It opens that document's
ingest and nothing else: whoever holds it can neither search nor read.
"""

import re
import time
from dataclasses import asdict, dataclass
from typing import Any, cast

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization, OKPKey

from .errors import TicketRefused
from .names import object_key

__all__ = ["Ticket", "TicketIssuer", "TicketVerifier"]

LIFETIME_SECONDS = 300
"""Long enough for a queue in n8n, short enough that a leaked ticket is soon worthless."""

ALGORITHM = "Ed25519"
"""EdDSA over Curve25519, under the fully specified name of RFC 9864."""

ISSUER = "tenantry-tickets"


@dataclass(frozen=True)
class Ticket:
    """The one document that the bearer may have ingested."""

    tenant_id: str
    persona_id: str
    document_id: str
    filename: str

    @property
    def object_key(self) -> str:
        """The document's key in S3."""
        return object_key(self.tenant_id, self.persona_id, self.document_id, self.filename)


class TicketIssuer:
    """Signs tickets.

    Parameters
    ----------
    private_jwk
        An Ed25519 private key as a JWK with a ``kid``.
    """

    def __init__(self, private_jwk: dict[str, Any]) -> None:
        self._key = OKPKey.import_key(private_jwk)

    def issue(self, ticket: Ticket, *, audience: str = "gateway", lifetime: int = LIFETIME_SECONDS) -> str:
        """Return a signed ticket that lives ``lifetime`` seconds.

        Raises
        ------
        ValueError
            The ticket names no possible document.
        """
        _ = ticket.object_key
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": audience, "iat": now, "exp": now + lifetime, **asdict(ticket)}
        header = {"alg": ALGORITHM, "kid": self._key.kid}
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])


class TicketVerifier:
    """Checks tickets.

    Parameters
    ----------
    jwks
        The public keys of everyone who may issue tickets, as a JSON Web Key Set.
    audience
        What must stand in ``aud``.
    """

    def __init__(self, jwks: dict[str, Any], *, audience: str = "gateway") -> None:
        self._keys = KeySet.import_key_set(cast("KeySetSerialization", jwks))
        self._claims = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            tenant_id={"essential": True},
            persona_id={"essential": True},
            document_id={"essential": True},
            filename={"essential": True},
        )

    def verify(self, token: str) -> Ticket:
        """Return the document that a ticket names.

        Raises
        ------
        TicketRefused
            The ticket proves nothing; the detail says why.
        """
        try:
            claims = jwt.decode(token, self._keys, algorithms=[ALGORITHM]).claims
            self._claims.validate(claims)
            ticket = Ticket(**{name: _text(claims[name]) for name in Ticket.__dataclass_fields__})
            _ = ticket.object_key
        except (JoseError, ValueError) as exc:
            reason = re.sub(r"\.$", "", str(exc)) or type(exc).__name__
            raise TicketRefused(f"The ticket does not hold: {reason}. Ask for a new one.") from exc
        return ticket


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a claim that must be text is not")  # noqa: TRY004 (callers catch ValueError)
    return value
