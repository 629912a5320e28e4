"""
title: Tenantry events
author: Tenantry
version: 1.0.0
license: Apache-2.0
required_open_webui_version: 0.12.4
description: Adds a user to the group of their tenant at each login, and notifies file-sync when files may have changed.

A membership gives access to a tenant's models, knowledge bases and files, so the function fails closed. A
login results in a membership only if the gateway verifies a tenant; any other response, or no response, ends
all memberships. Open WebUI itself sets no groups from claims, because a claim contains only names of groups.
If the gateway did not respond, the user gets the membership back at the next login, or from the operator
within a minute.

A login to a tenant that is suspended or being deleted changes nothing. The gateway has verified the user, and
the deletion needs the membership to find the user's data. Until the deletion, the membership gives access to
the user's chats only.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import BaseModel, Field

log = logging.getLogger("tenantry.events")

TENANTS_GROUP_PREFIX = "/tenants/"
"""Prefix of the names of tenants' groups, as in Keycloak; other groups are never changed."""

FILES_CHANGED = ("file.", "knowledge.")
CHATS_CHANGED = frozenset({"chat.created", "chat.deleted", "message.created"})


@dataclass(frozen=True)
class TenantRef:
    """Key of a tenant and uid of its Tenant; a Tenant that is recreated with the same name has another uid."""

    key: str
    uid: str

    def owns(self, group: Any) -> bool:
        """Return True if the operator created a group for this Tenant."""
        created_for = (group.data or {}).get("tenantry") or {}
        return bool(group.name == TENANTS_GROUP_PREFIX + self.key and created_for.get("uid") == self.uid)


class OutOfServiceError(Exception):
    """The user's tenant is suspended or being deleted."""


class Event:
    """Event function, which Open WebUI calls for each of its events in a separate task."""

    class Valves(BaseModel):
        """Settings of the function; the installer writes them."""

        gateway_url: str = Field("", description="Base URL of the gateway.")
        file_sync_url: str = Field(
            "", description="Base URL of file-sync; if empty, file-sync gets no hints."
        )
        hint_secret: str = Field(
            "",
            description="Secret that proves to file-sync that a hint comes from Open WebUI.",
            json_schema_extra={"input": {"type": "password"}},
        )
        login_timeout_seconds: float = Field(
            10.0, gt=0, le=60, description="Longest wait for the gateway at a login."
        )
        hint_timeout_seconds: float = Field(1.0, gt=0, le=10, description="Longest wait for file-sync.")

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.valves = self.Valves()
        self._client = httpx.AsyncClient(transport=transport, timeout=None)  # noqa: S113 (each call has a timeout)
        self._is_hinting = False
        self._needs_hint = False

    async def event(self, event: dict[str, Any], __event_name__: str) -> None:
        """Handle an event; raise nothing, and log only the event's name and the type of an error."""
        try:
            if __event_name__ == "auth.login" and event.get("source") == "oauth":
                await self._update_membership(str((event.get("subject") or {}).get("id") or ""))
            elif __event_name__.startswith(FILES_CHANGED) or __event_name__ in CHATS_CHANGED:
                await self._send_hint()
        except Exception as exc:  # noqa: BLE001 (Open WebUI would log its message, which may contain a token)
            log.error("Event %s was not handled: %s", __event_name__, type(exc).__name__)  # noqa: TRY400

    async def _update_membership(self, user_id: str) -> None:
        """Make a user a member of their tenant's group only, or of no group without a verified tenant."""
        tenant: TenantRef | None = None
        try:
            token = await _get_newest_token(user_id)
            tenant = await self._get_tenant(token) if token else None
        except OutOfServiceError:
            return
        except BaseException:
            await _set_membership(user_id, None)
            raise
        await _set_membership(user_id, tenant)

    async def _get_tenant(self, token: str) -> TenantRef | None:
        """Return the tenant that the gateway verifies from a user's token; ``None`` for any other response.

        Raises
        ------
        OutOfServiceError
            The gateway verified a tenant that is suspended or being deleted.
        """
        valves = self.valves
        try:
            async with asyncio.timeout(valves.login_timeout_seconds):
                response = await self._client.get(
                    f"{valves.gateway_url.rstrip('/')}/v1/me",
                    headers={"Authorization": f"Bearer {token}"},
                )
            body = response.json()
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as exc:
            log.warning("The gateway did not verify a tenant: %s", type(exc).__name__)
            return None
        members = body if isinstance(body, dict) else {}
        if response.status_code == 403 and str(members.get("type", "")).endswith("/tenant-suspended"):
            raise OutOfServiceError
        if response.status_code != 200 or not members:
            log.warning("The gateway did not verify a tenant: %d", response.status_code)
            return None
        key, uid = members.get("tenant"), members.get("tenantUid")
        return TenantRef(key, uid) if isinstance(key, str) and isinstance(uid, str) else None

    async def _send_hint(self) -> None:
        """Notify file-sync of a change. File-sync polls as well, so a lost hint costs some seconds only.

        Hints during a request are coalesced into one request that follows.
        """
        valves = self.valves
        if not valves.file_sync_url:
            return
        self._needs_hint = True
        if self._is_hinting:
            return
        self._is_hinting = True
        try:
            while self._needs_hint:
                self._needs_hint = False
                async with asyncio.timeout(valves.hint_timeout_seconds):
                    await self._client.post(
                        f"{valves.file_sync_url.rstrip('/')}/v1/hints",
                        headers={"X-Tenantry-Hint": valves.hint_secret},
                    )
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as exc:
            log.debug("A hint to file-sync failed: %s", type(exc).__name__)
        finally:
            self._is_hinting = False


async def _get_newest_token(user_id: str) -> str:
    """Return the access token of a user's newest session with Keycloak, or an empty string.

    The login has just created the token, so the token needs no refresh.
    """
    from open_webui.models.oauth_sessions import OAuthSessions  # noqa: PLC0415 (only Open WebUI's process has it)

    sessions = [
        session
        for session in await OAuthSessions.get_sessions_by_user_id(user_id)
        if not session.provider.startswith("mcp:")  # sessions of tools, not of the user's login
    ]
    newest = max(sessions, key=lambda session: session.created_at, default=None)
    return str(newest.token.get("access_token") or "") if newest else ""


async def _set_membership(user_id: str, tenant: TenantRef | None) -> None:
    """Remove a user from the groups of other tenants, and add them to this tenant's group if it exists."""
    from open_webui.models.groups import Groups  # noqa: PLC0415 (only Open WebUI's process has it)

    current = {group.id for group in await Groups.get_groups_by_member_id(user_id)}
    groups = [group for group in await Groups.get_all_groups() if group.name.startswith(TENANTS_GROUP_PREFIX)]
    for group in groups:
        if group.id in current and not (tenant and tenant.owns(group)):
            await Groups.remove_users_from_group(group.id, [user_id])
            log.warning("User %s left %s", user_id, group.name)
    for group in groups:
        if group.id not in current and tenant and tenant.owns(group):
            await Groups.add_users_to_group(group.id, [user_id])
            log.info("User %s joined %s", user_id, group.name)
