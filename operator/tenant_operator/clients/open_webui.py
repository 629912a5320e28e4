"""Client of Open WebUI's REST API for the workspaces of tenants.

A query that fails inside Open WebUI (0.12.4) can return "not found" or an empty list. An empty result is
therefore no proof that an object is absent.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from .open_webui_session import OpenWebUISession, OptionalObject

__all__ = ["OpenWebUI", "TenantContent", "get_subject"]

GROUPS_TTL_SECONDS = 30.0
"""Lifetime of the cached list of all groups: the API has no search by name."""

ERASURE = "tenantry_erasure"
"""Id of the project's action function that counts and deletes content which no administrator's API lists."""


@dataclass(frozen=True)
class TenantContent:
    """Selector of a tenant's content: the key, the ids of groups and knowledge bases, and a range of time.

    ``since`` and ``until`` are seconds since 1970.
    """

    tenant: str
    groups: list[str]
    knowledge: list[str]
    since: int
    until: int


class OpenWebUI:
    """Client for groups, users, models, knowledge bases and content.

    Parameters
    ----------
    session
        Session of an administrator.
    """

    def __init__(self, session: OpenWebUISession) -> None:
        self._session = session
        self._groups: defaultdict[str, list[str]] | None = None
        self._groups_listed = 0.0
        self._listing_groups = asyncio.Lock()

    async def get_group(self, group_id: str) -> OptionalObject:
        """Return a group with the ids of its direct members (``user_ids``), or ``None``."""
        return await self._session.find("get-group", f"/groups/id/{group_id}/export", 404)

    async def list_child_groups(self, group_id: str) -> set[str]:
        """Return the ids of the child groups of a group; their members inherit its rights."""
        path, params = f"/groups/id/{group_id}/members", {"membership": "inherited"}
        inherited = self._session.list_entries("list-inherited-members", path, "items", params)
        return {child_id async for member in inherited for child_id in member["via_group_ids"]}

    async def list_group_ids(self, name: str) -> list[str]:
        """Return the ids of the groups with a name, oldest first; the result can be 30 seconds old."""
        # Fail here when the circuit is open: a caller that waits for a retry would block all others at the
        # lock.
        self._session.require_closed_circuit("list-groups")
        async with self._listing_groups:
            now = asyncio.get_running_loop().time()
            if self._groups is None or now >= self._groups_listed + GROUPS_TTL_SECONDS:
                listed = await self.list_groups()
                self._groups = defaultdict(list)
                self._groups_listed = now
                for group in sorted(listed, key=lambda group: (group["created_at"], group["id"])):
                    self._groups[group["name"]].append(group["id"])
        return list(self._groups.get(name, ()))

    async def list_groups(self) -> list[dict[str, Any]]:
        """Return every group, without its members."""
        listed: list[dict[str, Any]] = await self._session.get("list-groups", "/groups/")
        return listed

    async def create_group(self, form: dict[str, Any]) -> str:
        """Create a group; return its id."""
        try:
            made = await self._session.post("create-group", "/groups/create", form, once=True)
        except BaseException:
            self._groups = None  # a failed call may have created the group
            raise
        if self._groups is not None:
            self._groups[form["name"]].append(made["id"])
        return str(made["id"])

    async def update_group(self, group_id: str, form: dict[str, Any]) -> None:
        """Replace name, description and parent of a group; merge ``data`` into its data."""
        self._groups = None
        await self._session.post("update-group", f"/groups/id/{group_id}/update", form)

    async def detach_group(self, group_id: str) -> None:
        """Remove the parent of a group."""
        group = await self.get_group(group_id)
        if group:
            form = {"name": group["name"], "description": group["description"], "parent_group_id": None}
            await self.update_group(group_id, form)

    async def delete_group(self, group_id: str) -> None:
        """Delete a group and every grant to it; an absent group is a success."""
        self._groups = None
        await self._session.send("delete-group", "DELETE", f"/groups/id/{group_id}/delete", absent=404)

    async def list_members(self, group_id: str) -> list[dict[str, Any]]:
        """Return the direct members of a group, with their addresses; an absent group has no members."""
        members: list[dict[str, Any]] = await self._session.post(
            "list-members", f"/groups/id/{group_id}/users", {}
        )
        return members

    async def add_members(self, group_id: str, user_ids: list[str]) -> None:
        """Add users to a group."""
        await self._session.post("add-members", f"/groups/id/{group_id}/users/add", {"user_ids": user_ids})

    async def remove_members(self, group_id: str, user_ids: list[str]) -> None:
        """Remove users from a group."""
        await self._session.post(
            "remove-members", f"/groups/id/{group_id}/users/remove", {"user_ids": user_ids}
        )

    async def search_users(self, term: str) -> list[dict[str, Any]]:
        """Return the users whose name or e-mail contains ``term``."""
        params = {"query": term, "order_by": "email", "direction": "asc"}
        return [user async for user in self._session.list_entries("search-users", "/users/", "users", params)]

    def list_accounts(self) -> AsyncIterator[dict[str, Any]]:
        """Return every account, with the ids of its groups (``group_ids``), page by page."""
        return self._session.list_entries(
            "list-accounts", "/users/", "users", {"order_by": "email", "direction": "asc"}
        )

    async def get_user(self, user_id: str) -> OptionalObject:
        """Return a user, or ``None``."""
        return await self._session.find("get-user", f"/users/{user_id}", 400)

    async def search_models(self, tag: str) -> list[dict[str, Any]]:
        """Return the models whose ``meta`` has the string ``tag`` as a value."""
        params = {"tag": tag, "order_by": "name", "direction": "asc"}
        return [
            model
            async for model in self._session.list_entries("search-models", "/models/list", "items", params)
        ]

    async def get_model(self, model_id: str) -> OptionalObject:
        """Return a model, or ``None``."""
        return await self._session.find("get-model", "/models/model", 404, {"id": model_id})

    async def create_model(self, form: dict[str, Any]) -> None:
        """Create a model with its grants."""
        await self._session.post("create-model", "/models/create", form, once=True)

    async def update_model(self, form: dict[str, Any]) -> None:
        """Replace the definition of a model, but not its grants."""
        await self._session.post("update-model", "/models/model/update", form)

    async def set_model_access(self, model_id: str, grants: list[dict[str, str]]) -> None:
        """Replace the grants of a model."""
        await self._session.post(
            "grant-model", "/models/model/access/update", {"id": model_id, "access_grants": grants}
        )

    async def delete_model(self, model_id: str) -> None:
        """Delete an existing model."""
        await self._session.post("delete-model", "/models/model/delete", {"id": model_id})

    async def search_knowledge_bases(self, name: str) -> list[dict[str, Any]]:
        """Return the knowledge bases whose name contains ``name``, with their ``file_count``."""
        params = {"query": name, "order_by": "created_at", "direction": "asc"}
        bases = self._session.list_entries("search-knowledge", "/knowledge/search", "items", params)
        # The search also covers descriptions and names of owners, and ignores case.
        return [base async for base in bases if name in base["name"]]

    async def get_knowledge_base(self, knowledge_id: str) -> OptionalObject:
        """Return a knowledge base without its ``file_count``, or ``None``."""
        return await self._session.find("get-knowledge", f"/knowledge/{knowledge_id}", 404)

    async def create_knowledge_base(self, form: dict[str, Any]) -> str:
        """Create a knowledge base with its grants; return its id."""
        made = await self._session.post("create-knowledge", "/knowledge/create", form, once=True)
        return str(made["id"])

    async def update_knowledge_base(self, knowledge_id: str, form: dict[str, str]) -> None:
        """Replace name and description of a knowledge base, but not its grants and files."""
        await self._session.post("update-knowledge", f"/knowledge/{knowledge_id}/update", form)

    async def set_knowledge_access(self, knowledge_id: str, grants: list[dict[str, str]]) -> None:
        """Replace the grants of a knowledge base."""
        form = {"access_grants": grants}
        await self._session.post("grant-knowledge", f"/knowledge/{knowledge_id}/access/update", form)

    async def delete_knowledge_base(self, knowledge_id: str) -> None:
        """Delete an existing knowledge base; its remaining files stay with their owners."""
        await self._session.send("delete-knowledge", "DELETE", f"/knowledge/{knowledge_id}/delete")

    async def list_pending_files(self, knowledge_id: str) -> list[str]:
        """Return the ids of the files that Open WebUI is still processing for a knowledge base."""
        pending = await self._session.get("list-pending-files", f"/knowledge/{knowledge_id}/files/pending")
        return [file["id"] for file in pending]

    async def count_content(self, content: TenantContent) -> dict[str, int]:
        """Return the number of ``accounts``, ``chats``, ``files`` and ``feedback`` of a tenant."""
        return await self._erase(content, "count")

    async def close_accounts(self, content: TenantContent) -> int:
        """Block a tenant's accounts, and block its knowledge bases for all accounts.

        Returns
        -------
        int
            Number of accounts that were able to write before this call.
        """
        return (await self._erase(content, "close"))["writers"]

    async def delete_content(self, content: TenantContent) -> dict[str, int]:
        """Delete content of a tenant's people for some seconds; return the numbers of remaining objects."""
        return await self._erase(content, "delete")

    async def _erase(
        self, content: TenantContent, step: Literal["count", "close", "delete"]
    ) -> dict[str, int]:
        form = {"erasure": asdict(content) | {"step": step}}
        counted: dict[str, int] = await self._session.run_action(ERASURE, form)
        return counted


def get_subject(account: dict[str, Any]) -> str:
    """Return the Keycloak id of an account; empty for an account with a password."""
    return str(((account.get("oauth") or {}).get("oidc") or {}).get("sub", ""))
