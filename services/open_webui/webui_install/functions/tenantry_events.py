"""
title: Tenantry events
author: Tenantry
version: 1.0.0
license: Apache-2.0
required_open_webui_version: 0.12.4
description: Puts a person who logs in into the group of their tenant alone, and tells file-sync when files may have changed.

Open WebUI sets groups at login by the groups claim, and leaves them as they were when the claim is empty or missing; a
first-time user whose tenant follows from a verified address has no claim yet. So the gateway, which proves the tenant,
is asked at each login. It only decides which models and knowledge a person sees: what is answered, it decides anew
for each question.
"""

import asyncio
import logging
import re
from typing import Any

import httpx
from pydantic import BaseModel, Field

log = logging.getLogger("tenantry.events")

TENANTS = "/tenants/"
"""All groups of tenants are named so, as in Keycloak; no other group is ever touched."""

TENANT_KEY = re.compile(r"tenant-[a-z0-9](?:[-a-z0-9]{0,38}[a-z0-9])?")

OUTSIDE = frozenset({"no-tenant", "tenant-conflict"})
"""Problems that say for certain that a person is in no tenant; any other leaves groups as they are."""

FILES_CHANGED = ("file.", "knowledge.")
CHATS_CHANGED = frozenset({"chat.created", "chat.deleted", "message.created"})


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
        """Put a person into the group of their tenant, and take them out of every other tenant's."""
        token = await _newest_token(user_id)
        wanted = await self._groups(token) if token else None
        if wanted is None:
            log.warning("The tenant of user %s is not known; groups stay as they are", user_id)
            return
        await _be_member(user_id, wanted)

    async def _groups(self, token: str) -> frozenset[str] | None:
        """Return the names of the groups that a token's person belongs in; ``None`` when nobody can say now."""
        valves = self.valves
        try:
            async with asyncio.timeout(valves.login_seconds):
                response = await self._client.get(
                    f"{valves.gateway_url.rstrip('/')}/v1/me",
                    headers={"Authorization": f"Bearer {token}"},
                )
            said = response.json()
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as exc:
            log.warning("The gateway does not say whose person it is: %s", type(exc).__name__)
            return None
        if not isinstance(said, dict):
            return None
        if response.status_code == 403 and str(said.get("type")).rpartition("/")[2] in OUTSIDE:
            return frozenset()
        key = said.get("tenant")
        if response.status_code != 200 or not isinstance(key, str) or not TENANT_KEY.fullmatch(key):
            return None
        group = TENANTS + key
        return frozenset({group, f"{group}/admins"} if said.get("admin") is True else {group})

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


async def _be_member(user_id: str, wanted: frozenset[str]) -> None:
    """Make a person a member of exactly these of the tenants' groups. Groups that are missing are not made."""
    from open_webui.models.groups import Groups  # noqa: PLC0415 (only Open WebUI's process has it)

    current = {group.id for group in await Groups.get_groups_by_member_id(user_id)}
    for group in await Groups.get_all_groups():
        if not group.name.startswith(TENANTS):
            continue
        if group.name in wanted and group.id not in current:
            await Groups.add_users_to_group(group.id, [user_id])
            log.info("User %s joined %s", user_id, group.name)
        elif group.name not in wanted and group.id in current:
            await Groups.remove_users_from_group(group.id, [user_id])
            log.info("User %s left %s", user_id, group.name)
