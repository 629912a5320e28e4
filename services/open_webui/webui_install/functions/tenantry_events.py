"""
title: Tenantry events
author: Tenantry
version: 1.0.0
license: Apache-2.0
required_open_webui_version: 0.12.4
description: Puts a person who logs in into the group of their tenant alone, and tells file-sync when files may have changed.

A membership opens a tenant's models, knowledge bases and files, so it fails closed: only the tenant that the
gateway proves at a login gives one, and any other response, or none, ends all of them. Open WebUI itself sets no
groups from claims, since a claim only has names of groups. Who lost a membership because the gateway did not answer
gets it back at the next login, or from the operator within a minute.

A login to a tenant that is suspended or being deleted changes nothing: the gateway has proven the person, and by the
membership their data is found when it is deleted. Meanwhile it opens nothing but the chats that they have.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import BaseModel, Field

log = logging.getLogger("tenantry.events")

TENANTS = "/tenants/"
"""All groups of tenants are named so, as in Keycloak; no other group is ever touched."""

FILES_CHANGED = ("file.", "knowledge.")
CHATS_CHANGED = frozenset({"chat.created", "chat.deleted", "message.created"})


@dataclass(frozen=True)
class Tenant:
    """A tenant's key, and the uid of its Tenant: one that is made again under the name has another."""

    key: str
    uid: str

    def has(self, group: Any) -> bool:
        """Return True if the operator made a group for this Tenant."""
        made_for = (group.data or {}).get("tenantry") or {}
        return bool(group.name == TENANTS + self.key and made_for.get("uid") == self.uid)


class OutOfServiceError(Exception):
    """The person's tenant is suspended or being deleted."""


class Event:
    """What Open WebUI calls for each of its events, in a task of its own."""

    class Valves(BaseModel):
        """Settings, which the installer writes."""

        gateway_url: str = Field("", description="The gateway's address.")
        file_sync_url: str = Field("", description="The address of file-sync; empty: it is told nothing.")
        hint_secret: str = Field(
            "",
            description="The secret that file-sync knows hints by.",
            json_schema_extra={"input": {"type": "password"}},
        )
        login_seconds: float = Field(
            10.0, gt=0, le=60, description="Longest wait for the gateway at a login."
        )
        hint_seconds: float = Field(1.0, gt=0, le=10, description="Longest wait for file-sync.")

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.valves = self.Valves()
        self._client = httpx.AsyncClient(transport=transport, timeout=None)  # noqa: S113 (each call has its own end)
        self._hinting = False
        self._hint_again = False

    async def event(self, event: dict[str, Any], __event_name__: str) -> None:
        """Do what an event calls for; nothing is raised, and nothing of it is logged but its name."""
        try:
            if __event_name__ == "auth.login" and event.get("source") == "oauth":
                await self._logged_in(str((event.get("subject") or {}).get("id") or ""))
            elif __event_name__.startswith(FILES_CHANGED) or __event_name__ in CHATS_CHANGED:
                await self._hint()
        except Exception as exc:  # noqa: BLE001 (Open WebUI would log its words, and they may hold a token)
            log.error("Event %s was not handled: %s", __event_name__, type(exc).__name__)  # noqa: TRY400

    async def _logged_in(self, user_id: str) -> None:
        """Make a person a member of their tenant's group alone; of none when the gateway proves no tenant."""
        tenant: Tenant | None = None
        try:
            token = await _newest_token(user_id)
            tenant = await self._proven_tenant(token) if token else None
        except OutOfServiceError:
            return
        except BaseException:
            await _set_membership(user_id, None)
            raise
        await _set_membership(user_id, tenant)

    async def _proven_tenant(self, token: str) -> Tenant | None:
        """Return the tenant that the gateway proves from a person's token; ``None`` for every other response.

        Raises
        ------
        OutOfServiceError
            The gateway proved a tenant that is suspended or being deleted.
        """
        valves = self.valves
        try:
            async with asyncio.timeout(valves.login_seconds):
                response = await self._client.get(
                    f"{valves.gateway_url.rstrip('/')}/v1/me",
                    headers={"Authorization": f"Bearer {token}"},
                )
            body = response.json()
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as exc:
            log.warning("The gateway did not prove a tenant: %s", type(exc).__name__)
            return None
        members = body if isinstance(body, dict) else {}
        if response.status_code == 403 and str(members.get("type", "")).endswith("/tenant-suspended"):
            raise OutOfServiceError
        if response.status_code != 200 or not members:
            log.warning("The gateway did not prove a tenant: %d", response.status_code)
            return None
        key, uid = members.get("tenant"), members.get("tenantUid")
        return Tenant(key, uid) if isinstance(key, str) and isinstance(uid, str) else None

    async def _hint(self) -> None:
        """Tell file-sync to look soon. Polling is the truth, so a hint that is lost costs some seconds.

        While one is on its way, all further ones become a single one after it.
        """
        valves = self.valves
        if not valves.file_sync_url:
            return
        self._hint_again = True
        if self._hinting:
            return
        self._hinting = True
        try:
            while self._hint_again:
                self._hint_again = False
                async with asyncio.timeout(valves.hint_seconds):
                    await self._client.post(
                        f"{valves.file_sync_url.rstrip('/')}/v1/hints",
                        headers={"X-Tenantry-Hint": valves.hint_secret},
                    )
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as exc:
            log.debug("file-sync could not be told: %s", type(exc).__name__)
        finally:
            self._hinting = False


async def _newest_token(user_id: str) -> str:
    """Return the access token of a person's newest session with Keycloak; empty when there is none.

    A login has made it a moment ago, so it is not refreshed.
    """
    from open_webui.models.oauth_sessions import OAuthSessions  # noqa: PLC0415 (only Open WebUI's process has it)

    sessions = [
        session
        for session in await OAuthSessions.get_sessions_by_user_id(user_id)
        if not session.provider.startswith("mcp:")  # logins of tools, not of the person
    ]
    newest = max(sessions, key=lambda session: session.created_at, default=None)
    return str(newest.token.get("access_token") or "") if newest else ""


async def _set_membership(user_id: str, tenant: Tenant | None) -> None:
    """Take a person out of every tenant's group but this one's, and put them into that. No group is made."""
    from open_webui.models.groups import Groups  # noqa: PLC0415 (only Open WebUI's process has it)

    current = {group.id for group in await Groups.get_groups_by_member_id(user_id)}
    groups = [group for group in await Groups.get_all_groups() if group.name.startswith(TENANTS)]
    for group in groups:
        if group.id in current and not (tenant and tenant.has(group)):
            await Groups.remove_users_from_group(group.id, [user_id])
            log.warning("User %s left %s", user_id, group.name)
    for group in groups:
        if group.id not in current and tenant and tenant.has(group):
            await Groups.add_users_to_group(group.id, [user_id])
            log.info("User %s joined %s", user_id, group.name)
