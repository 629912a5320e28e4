"""Keycloak's admin API, as much of it as a tenant's group needs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
from servicekit.keycloak import KeycloakAdmin
from tenancy.emails import matches_any, search_term

__all__ = ["Keycloak", "verified_email"]


class Keycloak(KeycloakAdmin):
    """One realm, as an administrator of groups and users."""

    async def group_by_path(self, path: str) -> dict[str, Any] | None:
        """Return a group with its attributes, or ``None``."""
        return await self.get("get-group", f"/group-by-path{path}")

    async def group_by_id(self, group_id: str) -> dict[str, Any] | None:
        """Return a group with its attributes, or ``None``."""
        return await self.get("get-group", f"/groups/{group_id}")

    async def create_group(
        self, parent_id: str | None, representation: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Make a group; ``None`` when another made it a moment ago."""
        path = f"/groups/{parent_id}/children" if parent_id else "/groups"
        response = await self.send(
            "create-group", "POST", path, json=representation, absent=httpx.codes.CONFLICT
        )
        if response is None:
            return None
        group: dict[str, Any] = {"id": response.headers["location"].rpartition("/")[2], **representation}
        return group

    async def update_group(self, group_id: str, representation: dict[str, Any]) -> None:
        """Give a group its name and attributes."""
        await self.send("update-group", "PUT", f"/groups/{group_id}", json=representation)

    async def move_group(self, group_id: str, name: str, parent_id: str) -> None:
        """Put a group under another parent."""
        body = {"id": group_id, "name": name}
        await self.send("move-group", "POST", f"/groups/{parent_id}/children", json=body)

    async def delete_group(self, group_id: str) -> None:
        """Delete a group with its sub-groups; one that is gone already is fine."""
        await self.send("delete-group", "DELETE", f"/groups/{group_id}", absent=httpx.codes.NOT_FOUND)

    async def members(self, group_id: str) -> list[dict[str, Any]]:
        """Return the direct members of a group."""
        params = {"briefRepresentation": "true"}
        return [user async for user in self.list_all("list-members", f"/groups/{group_id}/members", params)]

    async def people(self, patterns: Sequence[str]) -> list[dict[str, Any]]:
        """Return the accounts whose verified e-mail falls under one of the patterns, each once."""
        terms = sorted({search_term(pattern) for pattern in patterns})
        found = await asyncio.gather(*(self._search(term) for term in terms))
        # Keycloak searches for a part of the address; only the pattern decides.
        people = {
            user["id"]: user
            for users in found
            for user in users
            if matches_any(patterns, verified_email(user))
        }
        return list(people.values())

    def verified_accounts(self) -> AsyncIterator[dict[str, Any]]:
        """Return every account whose e-mail is verified, page by page."""
        return self.list_all("list-users", "/users", {"emailVerified": "true", "briefRepresentation": "true"})

    async def user(self, user_id: str) -> dict[str, Any] | None:
        """Return an account, or ``None``."""
        return await self.get("get-user", f"/users/{user_id}")

    async def _search(self, term: str) -> list[dict[str, Any]]:
        params = {"email": term, "emailVerified": "true", "briefRepresentation": "true"}
        return [user async for user in self.list_all("search-users", "/users", params)]

    async def join(self, user_id: str, group_id: str) -> None:
        """Put a user into a group."""
        await self.send("join-group", "PUT", f"/users/{user_id}/groups/{group_id}")

    async def leave(self, user_id: str, group_id: str) -> None:
        """Take a user out of a group."""
        path = f"/users/{user_id}/groups/{group_id}"
        await self.send("leave-group", "DELETE", path, absent=httpx.codes.NOT_FOUND)


def verified_email(user: dict[str, Any]) -> str:
    """Return the e-mail of an account that is enabled and has verified it; empty for any other account."""
    return str(user.get("email") or "") if user.get("emailVerified") and user.get("enabled") else ""
