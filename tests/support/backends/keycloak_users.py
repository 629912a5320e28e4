"""Users in the platform's real Keycloak, and their tokens."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
from tenancy.names import TENANT_UID_ATTRIBUTE
from tenantry_local.parts.keycloak import REALM
from tenantry_local.platform import Platform

__all__ = ["LONG_LIVED_CLIENT", "People", "open_people"]

PASSWORD = "A-password-of-tests-1"

ACCOUNT = "tests-account"
"""Keycloak client whose tokens let users change their accounts."""

LONG_LIVED_CLIENT = "tests"
"""Keycloak client whose tokens are valid for two hours; other clients' tokens are valid for five minutes."""

LOGINS, LOGIN_SECONDS = 6, 1.5
"""Attempts of a login, and the pause between them.

Keycloak's brute-force protection also refuses a correct password while it processes the user's last login
(``user_temporarily_disabled`` in its log), and for a minute after two failures within a second.
"""


ADMIN_TOKEN_SECONDS = 30.0
"""Time for which an administrator's token is reused; it is valid for a minute."""


class People:
    """Creates users, groups and clients, and logs users in.

    Parameters
    ----------
    http
        HTTP client of Keycloak.
    admin_password
        Password of the administrator of the realm ``master``.
    """

    def __init__(self, http: httpx.AsyncClient, admin_password: str) -> None:
        self._http = http
        self._admin_password = admin_password
        self._token, self._token_expiry = "", 0.0

    async def add(
        self, email: str, *, verified: bool = True, groups: Sequence[str] = (), password: str = PASSWORD
    ) -> None:
        """Create a user in groups, given by their paths; replace an existing user with that address."""
        for known in await self._call_admin_api("GET", "users", params={"email": email, "exact": "true"}):
            await self._call_admin_api("DELETE", f"users/{known['id']}")
        user = {
            "username": email,
            "email": email,
            "emailVerified": verified,
            "enabled": True,
            "firstName": "Test",
            "lastName": "Person",
            "groups": list(groups),
            "credentials": [{"type": "password", "value": password, "temporary": False}],
        }
        await self._call_admin_api("POST", "users", json=user)

    async def fetch_subject(self, email: str) -> str:
        """Return the claim ``sub`` of a user."""
        return str((await self._fetch_account(email))["id"])

    async def verify(self, email: str, *, verified: bool) -> None:
        """Set whether a user's e-mail address is verified."""
        user = await self._fetch_account(email)
        await self._call_admin_api("PUT", f"users/{user['id']}", json={**user, "emailVerified": verified})

    async def add_group(self, path: str, *, uid: str = "") -> None:
        """Create a group at the top or below an existing one; set the attribute with a Tenant's uid.

        If the group exists, only the uid is set.
        """
        parent_path, _, name = path.strip("/").rpartition("/")
        group = {"name": name, "attributes": {TENANT_UID_ATTRIBUTE: [uid]} if uid else {}}
        if not parent_path:
            await self._call_admin_api("POST", "groups", json=group, ok=(409,))
            return
        parent = await self._call_admin_api("GET", f"group-by-path/{parent_path}")
        await self._call_admin_api("POST", f"groups/{parent['id']}/children", json=group, ok=(409,))
        if uid:
            made = await self._call_admin_api("GET", f"group-by-path/{path.strip('/')}")
            await self._call_admin_api("PUT", f"groups/{made['id']}", json=group)

    async def add_namesake_group(self, email: str, name: str) -> None:
        """Add a user to a top-level group whose name looks like the path of another group."""
        await self._call_admin_api("POST", "groups", json={"name": name}, ok=(409,))
        groups = await self._call_admin_api("GET", "groups", params={"search": name, "exact": "true"})
        (group,) = [candidate for candidate in groups if candidate["name"] == name]
        await self._call_admin_api("PUT", f"users/{await self.fetch_subject(email)}/groups/{group['id']}")

    async def enable(self, email: str, *, enabled: bool) -> None:
        """Set whether a user may log in."""
        user = await self._fetch_account(email)
        await self._call_admin_api("PUT", f"users/{user['id']}", json={**user, "enabled": enabled})

    async def set_own_attribute(self, email: str, name: str, value: str) -> httpx.Response:
        """Change an attribute with the user's token, as Keycloak's account pages do."""
        await self.add_client(ACCOUNT, fullScopeAllowed=True)
        token = (await self.log_in(email, client_id=ACCOUNT))["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        path = f"/realms/{REALM}/account/"
        profile = (await self._http.get(path, headers=headers)).raise_for_status().json()
        profile["attributes"] = {**profile.get("attributes", {}), name: [value]}
        return await self._http.post(path, headers=headers, json=profile)

    async def add_client(self, client_id: str, **settings: Any) -> None:
        """Create a client like ``tenantry-cli`` with different settings."""
        (model,) = await self._call_admin_api("GET", "clients", params={"clientId": "tenantry-cli"})
        own = {key: value for key, value in model.items() if key != "id"} | {
            "clientId": client_id,
            **settings,
        }
        for mapper in own["protocolMappers"]:
            mapper.pop("id", None)
        await self._call_admin_api("POST", "clients", json=own, ok=(409,))

    async def log_in(
        self, email: str, *, client_id: str = "tenantry-cli", realm: str = REALM
    ) -> dict[str, Any]:
        """Log a user in; return the access, ID and refresh token."""
        form = {"grant_type": "password", "username": email, "password": PASSWORD}
        return await self._fetch_tokens(realm, {**form, "client_id": client_id, "scope": "openid"})

    async def refresh(self, refresh_token: str) -> dict[str, Any]:
        """Refresh tokens; return the new ones."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": "tenantry-cli"}
        return await self._fetch_tokens(REALM, form)

    async def fetch_token(self, email: str) -> str:
        """Return an access token for the gateway that is valid for two hours."""
        token: str = (await self.log_in(email, client_id=LONG_LIVED_CLIENT))["access_token"]
        return token

    async def fetch_admin_token(self) -> str:
        """Return an access token of the administrator."""
        form = {
            "grant_type": "password",
            "client_id": "admin-cli",
            "username": "admin",
            "password": self._admin_password,
        }
        token: str = (await self._fetch_tokens("master", form))["access_token"]
        return token

    @asynccontextmanager
    async def rotate_signing_key(self) -> AsyncIterator[None]:
        """Let Keycloak sign tokens with a new key inside the block; remove the key at the end."""
        config = {"priority": ["1000"], "algorithm": ["RS256"], "keySize": ["2048"]}
        component = {"name": "rotated", "providerId": "rsa-generated", "config": config}
        kind = {"providerType": "org.keycloak.keys.KeyProvider"}
        await self._call_admin_api("POST", "components", json=component | kind)
        try:
            yield
        finally:
            for known in await self._call_admin_api("GET", "components", params={"name": "rotated"}):
                await self._call_admin_api("DELETE", f"components/{known['id']}")

    async def fetch_keys(self) -> dict[str, Any]:
        """Return the realm's public keys, a JSON Web Key Set."""
        response = await self._http.get(f"/realms/{REALM}/protocol/openid-connect/certs")
        keys: dict[str, Any] = response.json()
        return keys

    async def _fetch_tokens(self, realm: str, form: dict[str, str]) -> dict[str, Any]:
        for _ in range(LOGINS):
            response = await self._http.post(f"/realms/{realm}/protocol/openid-connect/token", data=form)
            if response.is_success or form["grant_type"] != "password":
                break
            await asyncio.sleep(LOGIN_SECONDS)
        assert response.is_success, response.text
        tokens: dict[str, Any] = response.json()
        return tokens

    async def _fetch_account(self, email: str) -> dict[str, Any]:
        (user,) = await self._call_admin_api("GET", "users", params={"email": email, "exact": "true"})
        return dict(user)

    async def _call_admin_api(
        self, method: str, path: str, *, ok: Sequence[int] = (), **arguments: Any
    ) -> Any:
        if time.monotonic() > self._token_expiry:
            self._token = await self.fetch_admin_token()
            self._token_expiry = time.monotonic() + ADMIN_TOKEN_SECONDS
        headers = {"Authorization": f"Bearer {self._token}"}
        response = await self._http.request(
            method, f"/admin/realms/{REALM}/{path}", headers=headers, **arguments
        )
        assert response.is_success or response.status_code in ok, response.text
        return response.json() if response.content else None


@asynccontextmanager
async def open_people(platform: Platform) -> AsyncIterator[People]:
    """Yield access to the platform's Keycloak as its administrator."""
    async with httpx.AsyncClient(base_url=platform.parts["keycloak"].url, timeout=30) as http:
        people = People(http, platform.context.secrets["keycloak-admin"])
        await people.add_client(LONG_LIVED_CLIENT, attributes={"access.token.lifespan": "7200"})
        yield people
