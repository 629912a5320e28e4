"""Tests of tickets: issue, verification, and the limit to one action of one tenant."""

import time
from dataclasses import replace
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey
from tenancy.errors import TicketRefused
from tenancy.tickets import ISSUER, TICKET_TTL_SECONDS, Ticket, TicketAction, TicketIssuer, TicketVerifier

from tests.support.security.forgery import (
    change_claims,
    read_claims,
    remove_signature,
    sign_with_other_key,
    sign_with_public_key,
)

KEY = OKPKey.generate_key("Ed25519", {"kid": "today"})
OLDER = OKPKey.generate_key("Ed25519", {"kid": "yesterday"})
TICKET = Ticket("tenantb", "0b1f", "finance", "0b5e", "Budget 2026.pdf")


@pytest.fixture
def verifier() -> TicketVerifier:
    return TicketVerifier(dict(KeySet([KEY, OLDER]).as_dict(private=False)))


def issue(key: OKPKey = KEY, ticket: Ticket = TICKET, **options: Any) -> str:
    return TicketIssuer(dict(key.as_dict(private=True))).issue(ticket, **options)


def sign(**claims: Any) -> str:
    """Return a ticket with changed claims, signed with the valid key; ``None`` removes a claim."""
    content = {**read_claims(issue()), **claims}
    return jwt.encode(
        {"alg": "Ed25519", "kid": KEY.kid},
        {name: value for name, value in content.items() if value is not None},
        KEY,
        algorithms=["Ed25519"],
    )


@pytest.mark.parametrize("key", [KEY, OLDER], ids=["today's key", "yesterday's key"])
def test_verification_returns_the_issued_ticket(key: OKPKey, verifier: TicketVerifier) -> None:
    ticket = verifier.verify(issue(key))
    assert ticket == TICKET
    assert ticket.object_key == "tenant-tenantb/finance/documents/0b5e/Budget 2026.pdf"


@pytest.mark.parametrize(
    "ticket",
    [replace(TICKET, action=TicketAction.DELETE), Ticket("tenantb", "0b1f", action=TicketAction.LIST)],
    ids=["to delete", "to list"],
)
def test_a_ticket_contains_its_purpose(ticket: Ticket, verifier: TicketVerifier) -> None:
    assert verifier.verify(issue(ticket=ticket)) == ticket


def test_a_ticket_expires_after_minutes() -> None:
    claims = read_claims(issue())
    assert claims["iss"] == ISSUER
    assert claims["exp"] - claims["iat"] == TICKET_TTL_SECONDS <= 600


WRONG = {
    "expired": {"exp": int(time.time()) - 1},
    "without an expiry": {"exp": None},
    "of another issuer": {"iss": "another-service"},
    "without an issuer": {"iss": None},
    "for no service": {"aud": None},
    "without a persona": {"persona_id": None},
    "without a document": {"document_id": None},
    "without any file name": {"filename": None},
    "for another service": {"aud": "file-sync"},
    "without a tenant": {"tenant_id": None},
    "without a uid": {"tenant_uid": None},
    "with an empty uid": {"tenant_uid": ""},
    "with a list for a tenant": {"tenant_id": ["tenanta", "tenantb"]},
    "with no tenant's id": {"tenant_id": "Tenant B"},
    "climbing out of its persona": {"persona_id": ".."},
    "climbing out of its document": {"document_id": "../../tenant-tenanta/x"},
    "with a path for a file name": {"filename": "../budget.pdf"},
    "without a file name": {"filename": ""},
    "without an action": {"action": None},
    "for an unknown action": {"action": "read"},
    "to list, and with a document": {"action": "list"},
}


@pytest.mark.parametrize("claims", WRONG.values(), ids=WRONG.keys())
def test_a_ticket_with_wrong_claims_is_refused(claims: dict[str, Any], verifier: TicketVerifier) -> None:
    with pytest.raises(TicketRefused, match="Ask for a new one"):
        verifier.verify(sign(**claims))


FORGERIES = {
    "empty": lambda _: "",
    "with another tenant": lambda ticket: change_claims(ticket, tenant_id="tenanta"),
    "alg none": remove_signature,
    "signed by another key": sign_with_other_key,
    "signed by another key in its header": lambda ticket: sign_with_other_key(ticket, header={"jwk": ...}),
    "HMAC with the public key": lambda ticket: sign_with_public_key(ticket, KEY.as_pem(private=False)),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_ticket_is_refused(forge: Any, verifier: TicketVerifier) -> None:
    with pytest.raises(TicketRefused):
        verifier.verify(forge(issue()))


@pytest.mark.parametrize(
    "ticket",
    [
        Ticket("Tenant B", "0b1f", "finance", "1", "a.txt"),
        Ticket("tenantb", "0b1f", "finance", "1", "a/b.txt"),
        Ticket("tenantb", "0b1f", "finance", "", "", TicketAction.DELETE),
        Ticket("Tenant B", "0b1f", action=TicketAction.LIST),
        Ticket("tenantb", "0b1f", "finance", action=TicketAction.LIST),
        Ticket("tenantb", "0b1f", document_id="1", action=TicketAction.LIST),
        Ticket("tenantb", "0b1f", filename="a.txt", action=TicketAction.LIST),
        Ticket("tenantb", "", action=TicketAction.LIST),
    ],
)
def test_a_ticket_for_an_invalid_document_is_not_issued(ticket: Ticket) -> None:
    with pytest.raises(ValueError, match=r"tenant id|is no uid|object key|must have no document"):
        TicketIssuer(dict(KEY.as_dict(private=True))).issue(ticket)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": int(time.time()) - 1}, "The token is expired"),
        ({"filename": "a/b"}, "'a/b' cannot be part of an object key"),
    ],
    ids=["expired", "no document"],
)
def test_a_refusal_states_the_reason(claims: dict[str, Any], reason: str, verifier: TicketVerifier) -> None:
    with pytest.raises(TicketRefused) as refused:
        verifier.verify(sign(**claims))
    assert f"{reason}. Ask for a new one." in str(refused.value)
