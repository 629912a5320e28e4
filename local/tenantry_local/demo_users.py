"""Demo users and their login from a terminal.

The login uses a Keycloak client that only a local platform has. In production users log in on Keycloak's
page, and no service of Tenantry receives a password.
"""

import json

import httpx

from .context import Context
from .parts.keycloak import REALM, REALM_FILE
from .processes import LocalError

__all__ = ["DEMO_USERS", "get_access_token"]

DEMO_USERS: tuple[str, ...] = tuple(
    user["email"] for user in json.loads(REALM_FILE.read_text())["users"] if "email" in user
)
"""E-mail addresses of the users in the realm; one address is not verified."""

SIGN_IN_TIMEOUT_SECONDS = 20.0
"""Timeout of a login: password hashing is slow, and Keycloak's first response takes seconds."""


def get_access_token(context: Context, email: str, client_id: str = "tenantry-cli") -> str:
    """Return an access token of a demo user; it is a secret, and is valid for minutes.

    Raises
    ------
    LocalError
        Keycloak is unreachable, or refused the login.
    """
    form = {
        "grant_type": "password",
        "client_id": client_id,
        "username": email,
        "password": context.secrets["people"],
    }
    url = f"{context.build_url('keycloak')}/realms/{REALM}/protocol/openid-connect/token"
    try:
        response = httpx.post(url, data=form, timeout=SIGN_IN_TIMEOUT_SECONDS)
    except httpx.TransportError as exc:
        raise LocalError("Keycloak does not answer. Is the platform up? (make up)") from exc
    if response.is_error:
        raise LocalError(
            f"Keycloak refused the login of {email}: {_parse_error(response)}. "
            f"The demo users are {', '.join(DEMO_USERS)}."
        )
    return str(response.json()["access_token"])


def _parse_error(response: httpx.Response) -> str:
    try:
        problem = response.json()
    except ValueError:
        return f"status {response.status_code}"
    return str(problem.get("error_description") or problem.get("error") or response.status_code)
