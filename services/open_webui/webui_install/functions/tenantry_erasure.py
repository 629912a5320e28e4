"""
title: Tenantry erasure
author: Tenantry
version: 1.0.0
license: Apache-2.0
required_open_webui_version: 0.12.4
description: Counts and deletes the data of one tenant's users in Open WebUI, for an administrator.

Administrators of Open WebUI cannot list or delete another user's chats and files, because ENABLE_ADMIN_CHAT_ACCESS and
BYPASS_ADMIN_ACCESS_CONTROL stay off. Deleting an account keeps its files and feedback. So the operator calls this
action when a Tenant is deleted with all its data: POST /api/chat/actions/tenantry_erasure. No model offers the action,
and only an administrator may call an action that no model offers.

The following data belongs to a tenant:

- a chat in which one of the tenant's models answered since the Tenant was created;
- a file in one of the tenant's knowledge bases, or that its owner sent in such a chat;
- a file that was sent since the Tenant was created, if nothing refers to the file and its owner has no account any
  more: Open WebUI does not delete this file;
- feedback about one of the tenant's models;
- an account of a user of this tenant only, with everything that the account owns. This user is a member of the
  tenant's group, or owns one of the chats or files above. The user is in no other tenant's group, and owns nothing in
  another tenant's models or knowledge bases;
- the chats and files of a group member who keeps the account, since the membership began.

Users can write any model's name into their chats. So only chats that were last changed before the membership began can
belong to another tenant: Open WebUI writes both times itself.

A file that another tenant's knowledge base or chat contains as well belongs to that tenant and stays.

No user may add data during the deletion. So the accounts are closed first: they get a role that Open WebUI
refuses. Closed accounts keep their data, so that the next call continues after a crash. The knowledge bases
lose all grants. Chats and feedback that others create after the start of the deletion contain no answer of
the tenant's models. They do not count.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

log = logging.getLogger("tenantry.erasure")

BATCH_SIZE = 100
"""Number of files, chats or accounts in one batch."""

QUERY_LIMIT = 5000
"""Maximum number of rows that one query returns."""

CONCURRENT_DELETIONS = 8
"""Number of stored files that are deleted concurrently."""


MARKER_PREFIX = "tenantry:"
"""Prefix of principals in the grants with which the operator marks a tenant's knowledge bases."""

ADDED_TO = "tenantry_added_to"
"""Key in a file's metadata: id of the knowledge base to which the file is being added, set by the guard."""


class ErasureRun(BaseModel):
    """Request of the operator: the tenant with its ids in Open WebUI, and the step."""

    tenant: str = Field(pattern=r"^tenant-[a-z0-9][-a-z0-9]{0,39}$")
    """Key of the tenant. Its models are named ``{key}.{persona}``."""

    groups: list[str] = Field(max_length=100)
    """Ids of the tenant's groups."""

    knowledge: list[str] = Field(max_length=1000)
    """Ids of the tenant's knowledge bases."""

    since: int = Field(ge=0)
    """Time of the Tenant's creation. Chats that were last changed before belong to an earlier tenant of the name."""

    until: int = Field(ge=0)
    """Time of the last possible answer. Chats and feedback that were created later do not belong to the tenant."""

    step: Literal["count", "close", "delete"]
    """Step: count the data; close the accounts and count the writers; or delete, and count the remaining data."""

    @property
    def closed_role(self) -> str:
        """Role of closed accounts until their deletion; Open WebUI refuses it because it is unknown."""
        return f"closed:{self.tenant}"


class Action:
    """Action function, which the operator calls."""

    class Valves(BaseModel):
        """Settings of the action."""

        timeout_seconds: float = Field(
            8.0, gt=0, le=60, description="Longest time of one call; the next call continues."
        )

    def __init__(self) -> None:
        self.valves = self.Valves()

    async def action(self, body: dict[str, Any], __user__: dict[str, Any]) -> dict[str, int]:
        """Execute a step and return the counts of accounts, chats, files and feedback, or of writers.

        Raises
        ------
        PermissionError
            The caller is not an administrator.
        """
        if __user__.get("role") != "admin":
            raise PermissionError("only an administrator may erase a tenant")
        erasure = ErasureRun.model_validate(body.get("erasure"))
        if erasure.step == "close":
            return {"writers": await _close(erasure)}
        if erasure.step == "delete":
            await _close(erasure)
            await _delete(erasure, time.monotonic() + self.valves.timeout_seconds)
        return await _count(erasure)


async def _close(erasure: ErasureRun) -> int:
    """Close the tenant's accounts, remove all grants to its knowledge bases, and count the writers.

    Writers are users who could write before the call. A closed account of a user who now belongs to another
    tenant is opened again.
    """
    from open_webui.models.access_grants import AccessGrant  # noqa: PLC0415 (only Open WebUI's process has it)
    from open_webui.models.groups import GroupMember  # noqa: PLC0415
    from open_webui.models.users import User  # noqa: PLC0415
    from open_webui.utils.auth import revoke_user_tokens  # noqa: PLC0415
    from sqlalchemy import delete, select, update  # noqa: PLC0415

    async with _open_session() as session:
        grants = delete(AccessGrant).where(
            AccessGrant.resource_type == "knowledge",
            AccessGrant.resource_id.in_(erasure.knowledge),
            # The operator finds the knowledge base by the grant with this prefix.
            ~AccessGrant.principal_id.startswith(MARKER_PREFIX),
        )
        had_grants = (await session.execute(grants)).rowcount > 0
        accounts = (await _Scope.load(erasure, session)).select_accounts()
        was_closed = User.role == erasure.closed_role
        await session.execute(update(User).where(was_closed, User.id.not_in(accounts)).values(role="user"))
        found = select(User.id).where(User.id.in_(accounts), User.role == "user")
        open_accounts = list((await session.execute(found)).scalars())
        members = select(GroupMember.user_id).where(GroupMember.group_id.in_(erasure.groups))
        others = (await session.execute(members.where(GroupMember.user_id.not_in(accounts)))).scalars()
        writers = {*open_accounts, *(others if had_grants else ())}
        await session.commit()
    for user_id in open_accounts:
        await revoke_user_tokens(None, user_id)  # also closes WebSockets
    async with _open_session() as session:
        for first in range(0, len(open_accounts), BATCH_SIZE):
            batch = User.id.in_(open_accounts[first : first + BATCH_SIZE])
            await session.execute(update(User).where(batch).values(role=erasure.closed_role))
        await session.commit()
    if open_accounts:
        log.info("%s: closed %s accounts", erasure.tenant, len(open_accounts))
    return len(writers)


async def _delete(erasure: ErasureRun, end: float) -> None:
    """Delete files, chats, feedback and last the accounts, which identify the other data; stop at ``end``."""
    for find, delete in _KINDS:
        while rows := await find(erasure):
            for first in range(0, len(rows), BATCH_SIZE):
                if time.monotonic() > end:
                    return
                await delete(rows[first : first + BATCH_SIZE])
            log.info("%s: deleted %s: %s", erasure.tenant, find.__name__.removeprefix("_find_"), len(rows))


async def _count(erasure: ErasureRun) -> dict[str, int]:
    from sqlalchemy import func, select  # noqa: PLC0415 (only Open WebUI's process has it)

    async with _open_session() as session:
        scope = await _Scope.load(erasure, session)

        async def count(ids: Any) -> int:
            return int(
                (await session.execute(select(func.count()).select_from(ids.subquery()))).scalar() or 0
            )

        return {
            "accounts": await count(scope.select_accounts()),
            "chats": await count(scope.select_chats()),
            "files": await count(scope.select_files()),
            "feedback": len(await _find_feedback(erasure)),
        }


async def _find_files(erasure: ErasureRun) -> list[Any]:
    """Return ids and paths of the tenant's files."""
    from open_webui.models.files import File  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415

    async with _open_session() as session:
        scope = await _Scope.load(erasure, session)
        files = select(File.id, File.path).where(File.id.in_(scope.select_files())).limit(QUERY_LIMIT)
        return list((await session.execute(files)).all())


async def _delete_files(files: Sequence[Any]) -> None:
    """Delete the stored files, then their rows, so that a call after a crash still finds the files."""
    from open_webui.models.files import File  # noqa: PLC0415
    from open_webui.storage.provider import Storage  # noqa: PLC0415
    from sqlalchemy import delete  # noqa: PLC0415

    semaphore = asyncio.Semaphore(CONCURRENT_DELETIONS)

    async def delete_stored(path: str) -> None:
        async with semaphore:
            await asyncio.to_thread(Storage.delete_file, path)

    await asyncio.gather(*(delete_stored(path) for _, path in files if path))
    async with _open_session() as session:
        await session.execute(delete(File).where(File.id.in_([file_id for file_id, _ in files])))
        await session.commit()


async def _find_chats(erasure: ErasureRun) -> list[Any]:
    """Return id, owner and tags of chats whose owners keep their accounts.

    Other chats are deleted with their owners' accounts.
    """
    from open_webui.models.chats import Chat  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415

    async with _open_session() as session:
        scope = await _Scope.load(erasure, session)
        chats = select(Chat.id, Chat.user_id, Chat.meta).where(
            Chat.id.in_(scope.select_chats()), Chat.user_id.not_in(scope.select_accounts())
        )
        return list((await session.execute(chats.limit(QUERY_LIMIT))).all())


async def _delete_chats(chats: Sequence[Any]) -> None:
    """Delete chats as Open WebUI's route for their owners does."""
    from open_webui.models.chats import Chats  # noqa: PLC0415

    for chat_id, user_id, meta in chats:
        await Chats.delete_orphan_tags_for_user((meta or {}).get("tags", []), user_id, threshold=1)
        for child in await Chats.get_internal_chat_ids_by_parent_id(chat_id, user_id):
            await Chats.delete_chat_by_id(child)
        if not await Chats.delete_chat_by_id(chat_id):
            raise RuntimeError(f"Open WebUI did not delete chat {chat_id}")


async def _find_feedback(erasure: ErasureRun) -> list[Any]:
    """Return the ids of feedback about the tenant's models or by its accounts.

    The query only preselects rows: one row with invalid JSON would fail a query that parses JSON.
    """
    from open_webui.models.feedbacks import Feedback  # noqa: PLC0415
    from sqlalchemy import Text, cast, or_, select  # noqa: PLC0415

    prefix = f"{erasure.tenant}."
    about = cast(Feedback.data, Text).contains(f'"{prefix}', autoescape=True)
    async with _open_session() as session:
        scope = await _Scope.load(erasure, session)
        of_account = Feedback.user_id.in_(scope.select_accounts())
        found = await session.execute(
            select(Feedback.id, Feedback.data, of_account).where(
                or_(
                    of_account,
                    about & (Feedback.updated_at >= erasure.since) & (Feedback.created_at <= erasure.until),
                )
            )
        )
        return [
            feedback_id
            for feedback_id, data, is_of_account in found
            if is_of_account or str((data or {}).get("model_id", "")).startswith(prefix)
        ]


async def _delete_feedback(feedback: Sequence[Any]) -> None:
    from open_webui.models.feedbacks import Feedback  # noqa: PLC0415
    from sqlalchemy import delete  # noqa: PLC0415

    async with _open_session() as session:
        await session.execute(delete(Feedback).where(Feedback.id.in_(feedback)))
        await session.commit()


async def _find_accounts(erasure: ErasureRun) -> list[Any]:
    """Return the ids of accounts without files; an account with a new file waits for the next call."""
    from open_webui.models.files import File  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415

    async with _open_session() as session:
        accounts = (await _Scope.load(erasure, session)).select_accounts().subquery()
        without_files = select(accounts.c.id).where(
            ~select(File.id).where(File.user_id == accounts.c.id).exists()
        )
        return list((await session.execute(without_files.limit(QUERY_LIMIT))).scalars())


async def _delete_accounts(accounts: Sequence[Any]) -> None:
    """Delete accounts, each with every row that it owns, in one transaction."""
    from open_webui.internal.db import Base  # noqa: PLC0415
    from open_webui.models.access_grants import AccessGrant  # noqa: PLC0415
    from open_webui.models.auths import Auth  # noqa: PLC0415
    from open_webui.models.users import User  # noqa: PLC0415
    from sqlalchemy import delete  # noqa: PLC0415

    owned = [table for table in reversed(Base.metadata.sorted_tables) if "user_id" in table.c]
    async with _open_session() as session:
        for user_id in accounts:
            for table in owned:
                await session.execute(delete(table).where(table.c.user_id == user_id))
            granted = (AccessGrant.principal_type == "user", AccessGrant.principal_id == user_id)
            await session.execute(delete(AccessGrant).where(*granted))
            await session.execute(delete(Auth).where(Auth.id == user_id))
            await session.execute(delete(User).where(User.id == user_id))
            await session.commit()


_KINDS: tuple[
    tuple[Callable[[ErasureRun], Awaitable[list[Any]]], Callable[[Sequence[Any]], Awaitable[None]]], ...
]
_KINDS = (
    (_find_files, _delete_files),
    (_find_chats, _delete_chats),
    (_find_feedback, _delete_feedback),
    (_find_accounts, _delete_accounts),
)
"""Functions that find and delete each kind of data, in the order of deletion."""


def _open_session() -> Any:
    """Return a context manager for a session with Open WebUI's database."""
    from open_webui.internal.db import get_async_db_context  # noqa: PLC0415

    return get_async_db_context()


class _Scope:
    """Queries for the ids of a tenant's data.

    Parameters
    ----------
    erasure
        The tenant.
    unrecorded
        Ids of the tenant's chats without rows of messages: Open WebUI's page saves some chats as a whole.
    pending
        Ids of files that are being added to the tenant's knowledge bases: Open WebUI links a file after
        reading it.
    """

    def __init__(self, erasure: ErasureRun, unrecorded: list[str], pending: list[str]) -> None:
        self._erasure = erasure
        self._unrecorded = unrecorded
        self._pending = pending

    @classmethod
    async def load(cls, erasure: ErasureRun, session: Any) -> "_Scope":
        """Return the queries for a tenant."""
        from open_webui.models.chat_messages import ChatMessage  # noqa: PLC0415
        from open_webui.models.chats import Chat  # noqa: PLC0415
        from open_webui.models.files import File  # noqa: PLC0415
        from open_webui.models.knowledge import KnowledgeFile  # noqa: PLC0415
        from sqlalchemy import Text, cast, exists, or_, select  # noqa: PLC0415

        # Both queries only preselect rows: users can write the tenant's names anywhere in their chats and
        # metadata.
        prefix = f"{erasure.tenant}."
        recorded = exists().where(ChatMessage.chat_id == Chat.id, ChatMessage.role == "assistant")
        found = await session.execute(
            select(Chat.id, Chat.chat).where(
                Chat.updated_at >= erasure.since,
                Chat.created_at <= erasure.until,
                ~recorded,
                cast(Chat.chat, Text).contains(f'"{prefix}', autoescape=True),
            )
        )
        unrecorded = [chat_id for chat_id, chat in found if _has_model(chat, prefix)]
        linked = select(KnowledgeFile.file_id).where(KnowledgeFile.knowledge_id.in_(erasure.knowledge))
        named = [
            cast(File.meta, Text).contains(f'"{knowledge_id}"', autoescape=True)
            for knowledge_id in erasure.knowledge
        ]
        found = await session.execute(
            select(File.id, File.meta).where(or_(False, *named), File.id.not_in(linked))
        )
        pending = [file_id for file_id, meta in found if _get_knowledge_ids(meta) & set(erasure.knowledge)]
        return cls(erasure, unrecorded, pending)

    def select_accounts(self) -> Any:
        """Return the query for accounts of users of this tenant only."""
        from open_webui.models.chat_messages import ChatMessage  # noqa: PLC0415
        from open_webui.models.chats import Chat  # noqa: PLC0415
        from open_webui.models.files import File  # noqa: PLC0415
        from open_webui.models.groups import GroupMember  # noqa: PLC0415
        from open_webui.models.knowledge import KnowledgeFile  # noqa: PLC0415
        from open_webui.models.users import User  # noqa: PLC0415
        from sqlalchemy import and_, or_, select  # noqa: PLC0415

        erasure = self._erasure
        membership = and_(GroupMember.user_id == User.id, GroupMember.group_id.in_(erasure.groups))
        is_no_member = and_(GroupMember.id.is_(None), User.role != erasure.closed_role)
        answered_by_others = (
            select(User.id)
            .join(Chat, Chat.user_id == User.id)
            .join(ChatMessage, ChatMessage.chat_id == Chat.id)
            .outerjoin(GroupMember, membership)
            .where(
                ChatMessage.model_id.startswith("tenant-"),
                Chat.id.not_in(self._select_answered()),
                # A member may have written the other tenant's model name into a chat.
                or_(is_no_member, Chat.updated_at < GroupMember.created_at),
            )
        )
        own_files = (
            select(File.user_id)
            .join(KnowledgeFile, KnowledgeFile.file_id == File.id)
            .where(File.user_id.is_not(None))
        )
        return select(User.id).where(
            User.role != "admin",
            or_(
                User.id.in_(select(GroupMember.user_id).where(GroupMember.group_id.in_(erasure.groups))),
                User.role == erasure.closed_role,  # the membership may have ended since then
                User.id.in_(select(Chat.user_id).where(Chat.id.in_(self._select_answered()))),
                User.id.in_(own_files.where(KnowledgeFile.knowledge_id.in_(erasure.knowledge))),
            ),
            User.id.not_in(self._select_members_of_others()),
            User.id.not_in(answered_by_others),
            User.id.not_in(own_files.where(KnowledgeFile.knowledge_id.in_(self._select_other_knowledge()))),
        )

    def select_chats(self) -> Any:
        """Return the query for chats that the tenant's models answered, and for chats of the tenant's users."""
        from open_webui.models.chats import Chat  # noqa: PLC0415
        from sqlalchemy import or_, select  # noqa: PLC0415

        members = self._select_members().subquery()
        since_membership = (
            select(Chat.id)
            .join(members, members.c.user_id == Chat.user_id)
            .where(Chat.updated_at >= members.c.created_at, Chat.created_at <= self._erasure.until)
        )
        return select(Chat.id).where(
            or_(
                Chat.id.in_(self._select_answered()),
                Chat.user_id.in_(self.select_accounts()),
                Chat.id.in_(since_membership),
            )
        )

    def select_files(self) -> Any:
        """Return the query for files of this tenant only."""
        from open_webui.models.chats import Chat, ChatFile  # noqa: PLC0415
        from open_webui.models.files import File  # noqa: PLC0415
        from open_webui.models.knowledge import KnowledgeFile  # noqa: PLC0415
        from open_webui.models.users import User  # noqa: PLC0415
        from sqlalchemy import and_, or_, select  # noqa: PLC0415
        from sqlalchemy.orm import aliased  # noqa: PLC0415

        knowledge, owned = self._erasure.knowledge, aliased(File)
        sent = (
            select(ChatFile.file_id)
            .join(Chat, Chat.id == ChatFile.chat_id)
            .join(owned, (owned.id == ChatFile.file_id) & (owned.user_id == Chat.user_id))
        )
        linked = select(KnowledgeFile.file_id)
        members, of_member = self._select_members().subquery(), aliased(File)
        since_membership = (
            select(of_member.id)
            .join(members, members.c.user_id == of_member.user_id)
            .where(of_member.created_at >= members.c.created_at, of_member.created_at <= self._erasure.until)
        )
        orphaned = and_(
            File.updated_at >= self._erasure.since,
            File.user_id.not_in(select(User.id)),
            File.id.not_in(linked),
            File.id.not_in(select(ChatFile.file_id)),
        )
        return select(File.id).where(
            or_(
                File.id.in_(linked.where(KnowledgeFile.knowledge_id.in_(knowledge))),
                File.id.in_(sent.where(Chat.id.in_(self.select_chats()))),
                File.user_id.in_(self.select_accounts()),
                File.id.in_(since_membership),
                File.id.in_(self._pending),
                orphaned,
            ),
            File.id.not_in(linked.where(KnowledgeFile.knowledge_id.in_(self._select_other_knowledge()))),
            File.id.not_in(sent.where(Chat.id.not_in(self.select_chats()))),
        )

    def _select_members(self) -> Any:
        """Return the query for members of this tenant only, with the start of their membership."""
        from open_webui.models.groups import GroupMember  # noqa: PLC0415
        from open_webui.models.users import User  # noqa: PLC0415
        from sqlalchemy import select  # noqa: PLC0415

        return (
            select(GroupMember.user_id, GroupMember.created_at)
            .join(User, User.id == GroupMember.user_id)
            .where(
                GroupMember.group_id.in_(self._erasure.groups),
                User.role != "admin",
                User.id.not_in(self._select_members_of_others()),
            )
        )

    def _select_members_of_others(self) -> Any:
        """Return the query for members of other tenants' groups."""
        from open_webui.models.groups import Group, GroupMember  # noqa: PLC0415
        from sqlalchemy import select  # noqa: PLC0415

        # The subgroup of administrators belongs to this tenant as well.
        own_names = (f"/tenants/{self._erasure.tenant}", f"/tenants/{self._erasure.tenant}/admins")
        others = select(Group.id).where(
            Group.name.startswith("/tenants/"),
            Group.name.not_in(own_names),
            Group.id.not_in(self._erasure.groups),
        )
        return select(GroupMember.user_id).where(GroupMember.group_id.in_(others))

    def _select_answered(self) -> Any:
        """Return the query for chats in which one of the tenant's models answered."""
        from open_webui.models.chat_messages import ChatMessage  # noqa: PLC0415
        from open_webui.models.chats import Chat  # noqa: PLC0415
        from sqlalchemy import or_, select  # noqa: PLC0415

        by_tenants_models = select(ChatMessage.chat_id).where(
            ChatMessage.model_id.startswith(f"{self._erasure.tenant}.", autoescape=True)
        )
        return select(Chat.id).where(
            Chat.updated_at >= self._erasure.since,
            Chat.created_at <= self._erasure.until,
            or_(Chat.id.in_(by_tenants_models), Chat.id.in_(self._unrecorded)),
        )

    def _select_other_knowledge(self) -> Any:
        """Return the query for other tenants' knowledge bases; an administrator's account owns these."""
        from open_webui.models.knowledge import Knowledge  # noqa: PLC0415
        from open_webui.models.users import User  # noqa: PLC0415
        from sqlalchemy import select  # noqa: PLC0415

        return (
            select(Knowledge.id)
            .join(User, User.id == Knowledge.user_id)
            .where(User.role == "admin", Knowledge.id.not_in(self._erasure.knowledge))
        )


def _has_model(chat: Any, prefix: str) -> bool:
    """Return True if a chat without rows of messages names one of the tenant's models."""
    content = chat if isinstance(chat, dict) else {}
    messages = ((content.get("history") or {}).get("messages") or {}).values()
    models = [*(content.get("models") or []), *(message.get("model") for message in messages)]
    return any(str(model).startswith(prefix) for model in models)


def _get_knowledge_ids(meta: Any) -> set[str]:
    """Return the ids of the knowledge bases to which a file was uploaded or added; an empty string means none."""
    stored = meta if isinstance(meta, dict) else {}
    sent = stored.get("data")
    form = sent if isinstance(sent, dict) else {}
    return {str(stored.get(ADDED_TO, "")), str(form.get("knowledge_id", ""))}
