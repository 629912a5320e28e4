"""Client of Keycloak's admin API for groups and users."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
from servicekit.keycloak import KeycloakAdmin
from tenancy.emails import get_search_term, matches_any

__all__ = ["Keycloak", "get_verified_email"]


class Keycloak(KeycloakAdmin):
    """Client for groups and users of one realm."""

    async def get_group_by_path(self, path: str) -> dict[str, Any] | None:
        """Return a group with its attributes, or ``None``."""
        return await self.get("get-group", f"/group-by-path{path}")

    async def get_group(self, group_id: str) -> dict[str, Any] | None:
        """Return a group with its attributes, or ``None``."""
        return await self.get("get-group", f"/groups/{group_id}")

    async def create_group(
        self, parent_id: str | None, representation: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Create a group and return it; ``None`` when a group of that name exists."""
        path = f"/groups/{parent_id}/children" if parent_id else "/groups"
        response = await self.send(
            "create-group", "POST", path, json=representation, absent=httpx.codes.CONFLICT
        )
        if response is None:
            return None
        group: dict[str, Any] = {"id": response.headers["location"].rpartition("/")[2], **representation}
        return group

    async def update_group(self, group_id: str, representation: dict[str, Any]) -> None:
        """Replace the name and attributes of a group."""
        await self.send("update-group", "PUT", f"/groups/{group_id}", json=representation)

    async def move_group(self, group_id: str, name: str, parent_id: str) -> None:
        """Move a group to another parent."""
        body = {"id": group_id, "name": name}
        await self.send("move-group", "POST", f"/groups/{parent_id}/children", json=body)

    async def delete_group(self, group_id: str) -> None:
        """Delete a group with its sub-groups; an absent group is a success."""
        await self.send("delete-group", "DELETE", f"/groups/{group_id}", absent=httpx.codes.NOT_FOUND)

    async def list_members(self, group_id: str) -> list[dict[str, Any]]:
        """Return the direct members of a group."""
        params = {"briefRepresentation": "true"}
        return [user async for user in self.list_all("list-members", f"/groups/{group_id}/members", params)]

    async def search_accounts(self, patterns: Sequence[str]) -> list[dict[str, Any]]:
        """Return the accounts whose verified e-mail matches a pattern, without duplicates."""
        terms = sorted({get_search_term(pattern) for pattern in patterns})
        found = await asyncio.gather(*(self._search(term) for term in terms))
        # Keycloak searches for a substring of the address; check each result against the patterns.
        accounts = {
            user["id"]: user
            for users in found
            for user in users
            if matches_any(patterns, get_verified_email(user))
        }
        return list(accounts.values())

    def list_verified_accounts(self) -> AsyncIterator[dict[str, Any]]:
        """Return every account with a verified e-mail, page by page."""
        return self.list_all("list-users", "/users", {"emailVerified": "true", "briefRepresentation": "true"})

    async def get_user(self, user_id: str) -> dict[str, Any] | None:
        """Return an account, or ``None``."""
        return await self.get("get-user", f"/users/{user_id}")

    async def _search(self, term: str) -> list[dict[str, Any]]:
        params = {"email": term, "emailVerified": "true", "briefRepresentation": "true"}
        return [user async for user in self.list_all("search-users", "/users", params)]

    async def add_member(self, user_id: str, group_id: str) -> None:
        """Add a user to a group."""
        await self.send("join-group", "PUT", f"/users/{user_id}/groups/{group_id}")

    async def remove_member(self, user_id: str, group_id: str) -> None:
        """Remove a user from a group; an absent member is a success."""
        path = f"/users/{user_id}/groups/{group_id}"
        await self.send("leave-group", "DELETE", path, absent=httpx.codes.NOT_FOUND)


def get_verified_email(user: dict[str, Any]) -> str:
    """Return the verified e-mail of an enabled account; empty for any other account."""
    return str(user.get("email") or "") if user.get("emailVerified") and user.get("enabled") else ""
