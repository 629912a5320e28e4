"""Tickets with which a service acts for a tenant without a person's token.

A ticket is a short-lived EdDSA JWT for one tenant and one action: ingest a document, delete a document, or
list the documents. It permits neither search nor reading.
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
from .names import build_object_key, build_redis_prefix

__all__ = ["Ticket", "TicketAction", "TicketIssuer", "TicketVerifier"]

TICKET_TTL_SECONDS = 300
"""Lifetime of a ticket: long enough for n8n's queue, short enough to limit the use of a leaked ticket."""

ALGORITHM = "Ed25519"
"""EdDSA over Curve25519, by its fully specified name of RFC 9864."""

ISSUER = "tenantry-tickets"


class TicketAction(StrEnum):
    """Action that a ticket permits."""

    INGEST = "ingest"
    DELETE = "delete"
    LIST = "list"


@dataclass(frozen=True)
class Ticket:
    """Content of a ticket.

    A ticket for the action ``list`` has no document; all others have one. ``tenant_uid`` is the Tenant's uid.
    So the ticket is not valid for a later Tenant of the same name.
    """

    tenant_id: str
    tenant_uid: str
    persona_id: str = ""
    document_id: str = ""
    filename: str = ""
    action: TicketAction = TicketAction.INGEST

    @property
    def object_key(self) -> str:
        """S3 key of the document.

        Raises
        ------
        ValueError
            The ticket has no valid document.
        """
        return build_object_key(self.tenant_id, self.persona_id, self.document_id, self.filename)

    def validate(self) -> None:
        """Check that the ticket has exactly the fields that its action needs.

        Raises
        ------
        ValueError
            A field is missing, not valid, or not part of the action.
        """
        _ = build_redis_prefix(self.tenant_id, self.tenant_uid)
        if self.action is not TicketAction.LIST:
            _ = self.object_key
        elif self.persona_id or self.document_id or self.filename:
            raise ValueError("a ticket to list must have no document")


class TicketIssuer:
    """Issuer of signed tickets.

    Parameters
    ----------
    private_jwk
        Ed25519 private key as a JWK with a ``kid``.
    """

    def __init__(self, private_jwk: dict[str, Any]) -> None:
        self._key = OKPKey.import_key(private_jwk)

    def issue(self, ticket: Ticket, *, audience: str = "gateway", lifetime: int = TICKET_TTL_SECONDS) -> str:
        """Return a signed ticket that expires after ``lifetime`` seconds.

        Raises
        ------
        ValueError
            The ticket has no valid document.
        """
        ticket.validate()
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": audience, "iat": now, "exp": now + lifetime, **asdict(ticket)}
        header = {"alg": ALGORITHM, "kid": self._key.kid}
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])


class TicketVerifier:
    """Verifier of tickets.

    Parameters
    ----------
    jwks
        Public keys of all issuers, as a JSON Web Key Set.
    audience
        Required entry of ``aud``.
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
        """Return the content of a valid ticket.

        Raises
        ------
        TicketRefused
            The ticket is not valid; the detail has the reason.
        """
        try:
            claims = jwt.decode(token, self._keys, algorithms=[ALGORITHM]).claims
            self._claims.validate(claims)
            tenant_id, tenant_uid, persona_id, document_id, filename, action = (
                _parse_text(claims[name]) for name in Ticket.__dataclass_fields__
            )
            ticket = Ticket(tenant_id, tenant_uid, persona_id, document_id, filename, TicketAction(action))
            ticket.validate()
        except (JoseError, ValueError) as exc:
            reason = re.sub(r"\.$", "", str(exc)) or type(exc).__name__
            raise TicketRefused(f"The ticket is not valid: {reason}. Ask for a new one.") from exc
        return ticket


def _parse_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a claim is not a string")  # noqa: TRY004 (callers catch ValueError)
    return value
