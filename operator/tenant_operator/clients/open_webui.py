"""Open WebUI's REST API, as much of it as a tenant's workspace needs.

The one thing to know of it (0.12.4): a query that fails inside can come back as "not found" or as an empty
list. Nothing found is therefore no proof that there is nothing.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from .open_webui_session import Found, Session

__all__ = ["OpenWebui", "TenantContent", "subject_of"]

GROUPS_SECONDS = 30.0
"""How long a list of all groups is used: the API cannot be asked for one by its name."""

ERASURE = "tenantry_erasure"
"""Id of the action function of ours that counts and deletes what no administrator's API lists."""


@dataclass(frozen=True)
class TenantContent:
    """Identification of a tenant's content: key, ids of groups and knowledge bases, first and last second."""

    tenant: str
    groups: list[str]
    knowledge: list[str]
    since: int
    until: int


class OpenWebui:
    """Groups, users, models, knowledge bases and files.

    Parameters
    ----------
    session
        An administrator's session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._groups: defaultdict[str, list[str]] | None = None
        self._groups_listed = 0.0
        self._listing_groups = asyncio.Lock()

    async def group(self, group_id: str) -> Found:
        """Return a group with the ids of its direct members (``user_ids``), or ``None``."""
        return await self._session.find("get-group", f"/groups/id/{group_id}/export", 404)

    async def groups_under(self, group_id: str) -> set[str]:
        """Return the ids of the groups beneath a group through which others share in its rights."""
        path, params = f"/groups/id/{group_id}/members", {"membership": "inherited"}
        inherited = self._session.pages("list-inherited-members", path, "items", params)
        return {each async for member in inherited for each in member["via_group_ids"]}

    async def group_ids(self, name: str) -> list[str]:
        """Return the ids of the groups of that name, the oldest first; up to half a minute old."""
        # While Open WebUI hangs, whoever tries it must not hold up all others at the lock.
        self._session.require_closed_circuit("list-groups")
        async with self._listing_groups:
            now = asyncio.get_running_loop().time()
            if self._groups is None or now >= self._groups_listed + GROUPS_SECONDS:
                listed = await self.groups()
                self._groups = defaultdict(list)
                self._groups_listed = now
                for group in sorted(listed, key=lambda each: (each["created_at"], each["id"])):
                    self._groups[group["name"]].append(group["id"])
        return list(self._groups.get(name, ()))

    async def groups(self) -> list[dict[str, Any]]:
        """Return every group, without its members."""
        listed: list[dict[str, Any]] = await self._session.get("list-groups", "/groups/")
        return listed

    async def create_group(self, form: dict[str, Any]) -> str:
        """Make a group; return its id."""
        try:
            made = await self._session.post("create-group", "/groups/create", form, once=True)
        except BaseException:
            self._groups = None  # it may be there all the same
            raise
        if self._groups is not None:
            self._groups[form["name"]].append(made["id"])
        return str(made["id"])

    async def update_group(self, group_id: str, form: dict[str, Any]) -> None:
        """Give a group its name, description, parent and data; other data stays."""
        self._groups = None
        await self._session.post("update-group", f"/groups/id/{group_id}/update", form)

    async def detach_group(self, group_id: str) -> None:
        """Take a group out from under the one above it."""
        found = await self.group(group_id)
        if found:
            form = {"name": found["name"], "description": found["description"], "parent_group_id": None}
            await self.update_group(group_id, form)

    async def delete_group(self, group_id: str) -> None:
        """Delete a group and every grant to it; one that is gone already is fine."""
        self._groups = None
        await self._session.send("delete-group", "DELETE", f"/groups/id/{group_id}/delete", absent=404)

    async def members(self, group_id: str) -> list[dict[str, Any]]:
        """Return the direct members of a group, with their addresses; nobody when it is absent."""
        found: list[dict[str, Any]] = await self._session.post(
            "list-members", f"/groups/id/{group_id}/users", {}
        )
        return found

    async def add_members(self, group_id: str, user_ids: list[str]) -> None:
        """Put users into a group."""
        await self._session.post("add-members", f"/groups/id/{group_id}/users/add", {"user_ids": user_ids})

    async def remove_members(self, group_id: str, user_ids: list[str]) -> None:
        """Take users out of a group."""
        await self._session.post(
            "remove-members", f"/groups/id/{group_id}/users/remove", {"user_ids": user_ids}
        )

    async def users(self, term: str) -> list[dict[str, Any]]:
        """Return the users whose name or e-mail contains ``term``."""
        params = {"query": term, "order_by": "email", "direction": "asc"}
        return [user async for user in self._session.pages("search-users", "/users/", "users", params)]

    def accounts(self) -> AsyncIterator[dict[str, Any]]:
        """Return every account, with the ids of its groups (``group_ids``), page by page."""
        return self._session.pages(
            "list-accounts", "/users/", "users", {"order_by": "email", "direction": "asc"}
        )

    async def user(self, user_id: str) -> Found:
        """Return a user, or ``None``."""
        return await self._session.find("get-user", f"/users/{user_id}", 400)

    async def models(self, tag: str) -> list[dict[str, Any]]:
        """Return the models in whose ``meta`` the string ``tag`` stands as a value."""
        params = {"tag": tag, "order_by": "name", "direction": "asc"}
        return [
            model async for model in self._session.pages("search-models", "/models/list", "items", params)
        ]

    async def model(self, model_id: str) -> Found:
        """Return a model, or ``None``."""
        return await self._session.find("get-model", "/models/model", 404, {"id": model_id})

    async def create_model(self, form: dict[str, Any]) -> None:
        """Make a model with its grants."""
        await self._session.post("create-model", "/models/create", form, once=True)

    async def update_model(self, form: dict[str, Any]) -> None:
        """Replace what a model is; its grants stay."""
        await self._session.post("update-model", "/models/model/update", form)

    async def set_model_access(self, model_id: str, grants: list[dict[str, str]]) -> None:
        """Replace the grants of a model."""
        await self._session.post(
            "grant-model", "/models/model/access/update", {"id": model_id, "access_grants": grants}
        )

    async def delete_model(self, model_id: str) -> None:
        """Delete a model that is there."""
        await self._session.post("delete-model", "/models/model/delete", {"id": model_id})

    async def knowledge_bases(self, name: str) -> list[dict[str, Any]]:
        """Return the knowledge bases whose name contains ``name``, with their ``file_count``."""
        params = {"query": name, "order_by": "created_at", "direction": "asc"}
        found = self._session.pages("search-knowledge", "/knowledge/search", "items", params)
        # The search is in descriptions and names of owners, too, and regardless of case.
        return [each async for each in found if name in each["name"]]

    async def knowledge_base(self, knowledge_id: str) -> Found:
        """Return a knowledge base without its ``file_count``, or ``None``."""
        return await self._session.find("get-knowledge", f"/knowledge/{knowledge_id}", 404)

    async def create_knowledge_base(self, form: dict[str, Any]) -> str:
        """Make a knowledge base with its grants; return its id."""
        made = await self._session.post("create-knowledge", "/knowledge/create", form, once=True)
        return str(made["id"])

    async def update_knowledge_base(self, knowledge_id: str, form: dict[str, str]) -> None:
        """Give a knowledge base its name and description; grants and files stay."""
        await self._session.post("update-knowledge", f"/knowledge/{knowledge_id}/update", form)

    async def set_knowledge_access(self, knowledge_id: str, grants: list[dict[str, str]]) -> None:
        """Replace the grants of a knowledge base."""
        form = {"access_grants": grants}
        await self._session.post("grant-knowledge", f"/knowledge/{knowledge_id}/access/update", form)

    async def delete_knowledge_base(self, knowledge_id: str) -> None:
        """Delete a knowledge base that is there; files that it still has stay with their owners."""
        await self._session.send("delete-knowledge", "DELETE", f"/knowledge/{knowledge_id}/delete")

    async def pending_files(self, knowledge_id: str) -> list[str]:
        """Return ids of the files that were sent to a knowledge base and are being read."""
        pending = await self._session.get("list-pending-files", f"/knowledge/{knowledge_id}/files/pending")
        return [each["id"] for each in pending]

    async def count_content(self, content: TenantContent) -> dict[str, int]:
        """Return how many ``accounts``, ``chats``, ``files`` and ``feedback`` of a tenant there are."""
        return await self._erase(content, "count")

    async def close(self, content: TenantContent) -> int:
        """Refuse every later request of a tenant's own accounts, and everybody's to its knowledge bases.

        Returns
        -------
        int
            How many people could write until now.
        """
        return (await self._erase(content, "close"))["writers"]

    async def delete_content(self, content: TenantContent) -> dict[str, int]:
        """Delete what people of a tenant made, for some seconds; return how much is left, as counted."""
        return await self._erase(content, "delete")

    async def _erase(
        self, content: TenantContent, step: Literal["count", "close", "delete"]
    ) -> dict[str, int]:
        form = {"erasure": asdict(content) | {"step": step}}
        counted: dict[str, int] = await self._session.run_action(ERASURE, form)
        return counted


def subject_of(account: dict[str, Any]) -> str:
    """Return the id under which an account signs in with Keycloak; empty for one with a password."""
    return str(((account.get("oauth") or {}).get("oidc") or {}).get("sub", ""))
