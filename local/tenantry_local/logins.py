"""Accounts of a platform's user interfaces, with their passwords."""

from collections.abc import Collection
from dataclasses import dataclass

from .context import Context
from .demo_users import DEMO_USERS
from .parts.keycloak import ADMIN
from .parts.n8n import OWNER
from .parts.open_webui import get_open_webui_admin

__all__ = ["Login", "list_logins"]


@dataclass(frozen=True)
class Login:
    """An account, its password and the page on which it logs in."""

    name: str
    url: str
    user: str
    password: str


def list_logins(context: Context, parts: Collection[str]) -> list[Login]:
    """Return the accounts of these parts, and the demo users."""
    secrets = context.secrets
    webui_admin, webui_password = get_open_webui_admin(context)
    logins = {
        "keycloak": Login(
            "Keycloak administration",
            f"{context.build_url('keycloak')}/admin/",
            ADMIN,
            secrets["keycloak-admin"],
        ),
        "n8n": Login("n8n", context.build_url("n8n"), OWNER, secrets["n8n-owner"]),
        # The login form is hidden from users, who log in through Keycloak.
        "open-webui": Login(
            "Open WebUI administration",
            f"{context.build_url('open-webui')}/auth?form=true",
            webui_admin,
            webui_password,
        ),
    }
    webui = (
        f"{context.build_url('open-webui')} (through Keycloak)"
        if "open-webui" in parts
        else "tenantry ask --as USER"
    )
    return [
        *(login for part, login in logins.items() if part in parts),
        Login("Demo users", webui, ", ".join(DEMO_USERS), secrets["people"]),
    ]
