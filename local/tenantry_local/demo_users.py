"""The demo's people, and how they sign in from a terminal.

They give their password to a client that exists on a local platform only; in production people sign in to
Open WebUI, and no program of ours ever sees a password.
"""

import json

import httpx

from .context import Context
from .parts.keycloak import REALM, REALM_FILE
from .processes import LocalError

__all__ = ["DEMO_USERS", "access_token"]

DEMO_USERS: tuple[str, ...] = tuple(
    user["email"] for user in json.loads(REALM_FILE.read_text())["users"] if "email" in user
)
"""E-mail addresses of everybody in the realm; one of them is not verified."""

SIGN_IN_SECONDS = 20.0
"""Keycloak hashes passwords slowly on purpose, and its first answer after its start takes seconds."""


def access_token(context: Context, email: str, client_id: str = "tenantry-cli") -> str:
    """Return a real access token of one of the demo's people; it is a secret, and it lives for minutes.

    Raises
    ------
    LocalError
        Keycloak does not answer, or it does not know the person.
    """
    form = {
        "grant_type": "password",
        "client_id": client_id,
        "username": email,
        "password": context.secrets["people"],
    }
    url = f"{context.url('keycloak')}/realms/{REALM}/protocol/openid-connect/token"
    try:
        answer = httpx.post(url, data=form, timeout=SIGN_IN_SECONDS)
    except httpx.TransportError as exc:
        raise LocalError("Keycloak does not answer. Is the platform up? (make up)") from exc
    if answer.is_error:
        raise LocalError(
            f"Keycloak does not sign in {email}: {_reason(answer)}. Demo users: {', '.join(DEMO_USERS)}"
        )
    return str(answer.json()["access_token"])


def _reason(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        return f"status {answer.status_code}"
    return str(problem.get("error_description") or problem.get("error") or answer.status_code)
