"""Tickets: how a service acts for a tenant without a person's token.

A ticket is a short-lived EdDSA JWT that names one tenant and one action: to have one document ingested, to
have one deleted, or to list what there is. It opens nothing else: whoever holds it can neither search nor
read.
"""

import re
import time
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, cast

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization, OKPKey

from .errors import TicketRefused
from .names import object_key, redis_prefix

__all__ = ["Action", "Ticket", "TicketIssuer", "TicketVerifier"]

LIFETIME_SECONDS = 300
"""Long enough for a queue in n8n, short enough that a leaked ticket is soon worthless."""

ALGORITHM = "Ed25519"
"""EdDSA over Curve25519, under the fully specified name of RFC 9864."""

ISSUER = "tenantry-tickets"


class Action(StrEnum):
    """What a ticket opens."""

    INGEST = "ingest"
    DELETE = "delete"
    LIST = "list"


@dataclass(frozen=True)
class Ticket:
    """The one thing that the bearer may have done.

    A ticket to list names no document; every other names one. ``tenant_uid`` is the Tenant's for which it was
    issued: it opens nothing of a later Tenant of the same name.
    """

    tenant_id: str
    tenant_uid: str
    persona_id: str = ""
    document_id: str = ""
    filename: str = ""
    action: Action = Action.INGEST

    @property
    def object_key(self) -> str:
        """The document's key in S3.

        Raises
        ------
        ValueError
            The ticket names no possible document.
        """
        return object_key(self.tenant_id, self.persona_id, self.document_id, self.filename)

    def require_sound(self) -> None:
        """Make sure that the ticket names what its action is about, and nothing that could mean more.

        Raises
        ------
        ValueError
            It does not.
        """
        _ = redis_prefix(self.tenant_id, self.tenant_uid)
        if self.action is not Action.LIST:
            _ = self.object_key
        elif self.persona_id or self.document_id or self.filename:
            raise ValueError("a ticket to list names no document")


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
        ticket.require_sound()
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
            tenant_uid={"essential": True},
            persona_id={"essential": True, "allow_blank": True},
            document_id={"essential": True, "allow_blank": True},
            filename={"essential": True, "allow_blank": True},
            action={"essential": True},
        )

    def verify(self, token: str) -> Ticket:
        """Return what a ticket opens.

        Raises
        ------
        TicketRefused
            The ticket proves nothing; the detail says why.
        """
        try:
            claims = jwt.decode(token, self._keys, algorithms=[ALGORITHM]).claims
            self._claims.validate(claims)
            tenant_id, tenant_uid, persona_id, document_id, filename, action = (
                _text(claims[name]) for name in Ticket.__dataclass_fields__
            )
            ticket = Ticket(tenant_id, tenant_uid, persona_id, document_id, filename, Action(action))
            ticket.require_sound()
        except (JoseError, ValueError) as exc:
            reason = re.sub(r"\.$", "", str(exc)) or type(exc).__name__
            raise TicketRefused(f"The ticket does not hold: {reason}. Ask for a new one.") from exc
        return ticket


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a claim that must be text is not")  # noqa: TRY004 (callers catch ValueError)
    return value
