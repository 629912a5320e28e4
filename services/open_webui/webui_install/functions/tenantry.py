"""
title: Tenantry
author: Tenantry
version: 1.0.0
license: Apache-2.0
required_open_webui_version: 0.12.4
description: Answers from the documents of the user's tenant, through n8n or directly from the gateway.

Each persona has a model in Open WebUI whose base is this pipe. The pipe passes the user's Keycloak access token on to
the gateway, which verifies it. Only the token decides which documents are searched.

The file is self-contained, because Open WebUI stores it as text and runs it in its process. So the code never blocks,
every call has a timeout, and tokens, questions and answers are never logged.
"""

import asyncio
import json
import logging
import re
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

log = logging.getLogger("tenantry.pipe")

MAX_QUESTION_CHARACTERS = 4000
"""Longest question that the gateway accepts, in characters."""

MAX_TURN_CHARACTERS = 20_000
"""Longest turn of the history that the gateway accepts, in characters."""

MAX_TURNS = 100
"""Number of latest turns in a request; the gateway accepts 200 and reads fewer."""

CONNECT_TIMEOUT_SECONDS = 3.0
"""Timeout of a new connection; a service that does not accept a connection in time is unavailable."""

POLL_INTERVAL_SECONDS = 1.0
"""Pause between two requests for the state of files that are being indexed."""

NEW_FILE_TIMEOUT_SECONDS = 8.0
"""Longest wait for a new file that file-sync reports as not synced, because file-sync has not seen the file
yet."""

MAX_LISTED = 50
"""Maximum number of entries (files, removed documents or held deletions) that a command lists."""

MAX_TRASH_PAGES = 5
"""Maximum number of pages of the trash that one command reads; a page has at most 100 documents."""

MARKDOWN = "markdown"
"""Format of answers that the gateway has sanitized for rendering as Markdown."""

PROXY_STATUSES = (502, 503, 504)
"""Statuses with which a proxy answers for an unavailable service, without a problem document."""

PERSONA_MODEL = re.compile(r"tenant-[a-z0-9](?:[-a-z0-9]*[a-z0-9])?\.([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)")
ATTACHMENT_PREFIX = re.compile(r"\A<attached_files>\n(?:<file [^\n]*/>\n)*</attached_files>\n\n")
"""Text that Open WebUI inserts before a message with attached files."""

FILE_DOCUMENT_PREFIX = "owui-"
"""Prefix of the ids of documents from Open WebUI's files; the file's id follows."""

SIGN_IN = "Sign out, then sign in again with your company's account."

MESSAGES = {
    "not-signed-in": f"You are not signed in with your company's account, or that sign-in has ended. {SIGN_IN}",
    "token-refused": f"Your sign-in has run out. {SIGN_IN}",
    "no-tenant": "Your account belongs to no tenant yet, so there are no documents that I may read for you. "
    "Ask your administrator to add it, then sign in again.",
    "tenant-conflict": "Your account belongs to more than one tenant, so I cannot decide whose documents to read. "
    "Ask your administrator to leave it in one.",
    "tenant-suspended": "Your tenant is suspended at the moment. Its documents are kept; "
    "its administrators can say why and until when.",
    "persona-missing": "This persona no longer exists. Choose another model above.",
    "not-a-persona": "This model belongs to no persona. Choose one of your tenant's models above.",
    "question-missing": "Please write a question.",
    "question-too-long": f"Your question is too long: it has {{length}} characters, and at most {MAX_QUESTION_CHARACTERS} can be "
    "answered. Shorten it, or upload long texts as a file.",
    "rate-limited": "Your tenant has reached its limit of questions per minute. Ask again {when}.",
    "too-many-calls": "Your tenant has sent too many requests in a short time. Try again {when}.",
    "budget-exhausted": "Your tenant has used up its budget for this month. A new budget starts {resets}; "
    "until then, your administrator can ask for a higher limit.",
    "limits-unavailable": "I cannot check your tenant's limits right now, so I must not answer. Try again {when}.",
    "model-unavailable": "The language model that is set for your tenant is not available. "
    "Ask your administrator to choose another one.",
    "tenant-not-ready": "Your tenant is still being set up. Try again {when}.",
    "identity-unavailable": "I cannot check who you are right now. Try again {when}.",
    "overloaded": "Too many questions are being answered right now. Try again {when}.",
    "backend-unavailable": "A service does not answer right now. Try again {when}.",
    "unsupported-qdrant": "I cannot search your documents until your administrator upgrades the platform.",
    "backend-refused": "A service refused the request. Give your administrator the request id {request}.",
    "deadline-exceeded": "The answer took too long, so I stopped waiting for it. Try again, or ask a shorter question.",
    "n8n-unavailable": "The assistant's workflow cannot be reached right now. Try again in a few minutes.",
    "gateway-unavailable": "The assistant cannot be reached right now. Try again in a few minutes.",
    "files-unavailable": "I cannot list your files right now. Try again in a few minutes.",
    "trashed-document-missing": "The trash contains no such document. Send `/restore` to list what you can restore.",
    "document-exists": "The persona already has a document with that name. Delete it first; it goes to the trash, "
    "and you can restore it later.",
    "document-not-owned": "Only its owner and your tenant's administrators may restore that document.",
    "document-busy": "That document is being changed right now. Try again {when}.",
    "admin-only": "Only your tenant's administrators may do that.",
    "quota-exceeded": "Your tenant has no room for that document. Delete other documents first.",
    "document-empty": "That document contains no text, so it cannot be restored.",
    "document-too-large": "That document exceeds the size limit, so it cannot be restored.",
    "document-unreadable": "That document cannot be read, so it cannot be restored. "
    "Save the file again without a password and upload it.",
    "document-unsupported": "The format of that document is not supported, so it cannot be restored. "
    "Upload the file in a supported format.",
    "writes-unavailable": "Documents cannot be changed right now. Try again {when}.",
    "stream-broken": "The answer broke off here and is not complete. Ask again.",
    "unexpected": "Something went wrong. Try again; if it happens again, "
    "give your administrator the request id {request}.",
}
"""Messages to users by kind of error. For the gateway's problems, the kind is the last part of the problem's type."""

ALIASES = {"internal": "unexpected", "invalid-request": "unexpected"}
"""Kinds that use the message of another kind."""

FILE_STATES = {
    "waiting": "waits to be picked up",
    "received": "is stored and waits to be indexed",
    "indexing": "is being indexed",
    "ready": "is ready: answers can use it",
    "failed": "could not be indexed",
    "refused": "was refused",
    "kept": "was taken out of the knowledge base, and answers still use it",
    "replaced": "was replaced by a newer file of the same name",
    "not-synced": "is in no persona's knowledge",
}
PENDING_STATES = frozenset({"waiting", "received", "indexing"})

Emitter = Callable[[dict[str, Any]], Awaitable[Any]]


class UserError(Exception):
    """An error that is shown to the user.

    Parameters
    ----------
    kind
        A key of ``MESSAGES``.
    fields
        Values of the message's fields.
    """

    def __init__(self, kind: str, **fields: Any) -> None:
        super().__init__(kind)
        self.kind = kind
        self.fields = fields

    @property
    def message(self) -> str:
        """Message to the user."""
        return MESSAGES[self.kind].format_map(self.fields)


class WorkflowUnavailable(Exception):
    """n8n did not respond, or the response is not from Tenantry's workflow."""


class ApiModel(BaseModel):
    """Response of a service; unknown fields are ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )


class Citation(ApiModel):
    """Source of a statement; ``marker`` is its ``[n]`` in the answer."""

    marker: int
    document_id: str
    filename: str
    page: int | None = None
    snippet: str = ""


class Answer(ApiModel):
    """Complete answer, and the format for which the gateway has sanitized its text."""

    answer: str
    format: str = ""
    citations: list[Citation] = []

    @property
    def markdown(self) -> str:
        """The answer as Markdown; a text block if the gateway did not sanitize it for rendering."""
        return self.answer if self.format == MARKDOWN else _format_text_block(self.answer)


class UserFile(ApiModel):
    """One of the user's files with its state."""

    id: str
    filename: str
    persona_id: str | None = None
    state: str
    reason: str | None = None

    @property
    def name(self) -> str:
        """File name as inline code, so that Open WebUI does not render its characters as Markdown."""
        return _format_code(self.filename)

    @property
    def description(self) -> str:
        """Sentence about the file's state, without the full stop."""
        state = f"{self.name} {FILE_STATES.get(self.state, 'is in an unknown state')}"
        return f"{state}: {_escape_markdown(self.reason).rstrip('.')}" if self.reason else state


class FileList(ApiModel):
    """All files of the user."""

    files: list[UserFile]


class TrashedDocument(ApiModel):
    """Removed document that the user may restore."""

    document_id: str
    removal_id: str
    persona_id: str
    filename: str
    removed_at: datetime
    removed_by: str
    restorable_until: datetime

    @property
    def description(self) -> str:
        """Line about this document in the list of the trash."""
        by = "in Open WebUI" if self.removed_by == "open-webui" else f"by {_escape_markdown(self.removed_by)}"
        return (
            f"- {_format_code(self.filename)} ({self.persona_id}), removed {by} on {_format_day(self.removed_at)}, "
            f"until {_format_day(self.restorable_until)}: `/restore {self.removal_id}`"
        )


class TrashList(ApiModel):
    """Page of removed documents, with the cursor of the next page."""

    documents: list[TrashedDocument]
    next_cursor: str | None = None


class HeldDeletion(ApiModel):
    """Deletion that waits for the decision of a tenant's administrator."""

    persona_id: str
    filename: str
    requested_by: str

    @property
    def description(self) -> str:
        """Line about this document in the list of the trash."""
        by = (
            "in Open WebUI"
            if self.requested_by == "open-webui"
            else f"by {_escape_markdown(self.requested_by)}"
        )
        return f"- {_format_code(self.filename)} ({self.persona_id}), deleted {by}"


class HeldDeletions(ApiModel):
    """All held deletions of the tenant."""

    deletions: list[HeldDeletion]


class Rejection(ApiModel):
    """Result of a rejection of some held deletions."""

    kept: list[HeldDeletion]
    in_trash: list[HeldDeletion]
    remaining: int


@dataclass
class ChatRequest:
    """A user's message to a persona, with the user's token, the deadline and the emitter of events."""

    question: str
    persona: str
    token: str
    history: list[dict[str, str]]
    file_ids: frozenset[str]
    deadline: float
    emitter: Emitter | None
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    has_output: bool = False
    """True if a part of the answer has been sent, so that an error message cannot replace it."""

    @property
    def headers(self) -> dict[str, str]:
        """Headers with the user's token and the request id."""
        return {"Authorization": f"Bearer {self.token}", "X-Request-ID": self.request_id}

    @property
    def body(self) -> dict[str, Any]:
        """JSON body of the request for an answer."""
        return {
            "question": self.question,
            "personaId": self.persona,
            "history": self.history,
            "format": MARKDOWN,
        }

    async def show_status(self, description: str, *, done: bool = False) -> None:
        """Show the progress above the answer."""
        await self._emit("status", {"description": description, "done": done})

    async def _emit(self, kind: str, data: dict[str, Any]) -> None:
        """Send an event to the user's browser; ignore errors."""
        if self.emitter is None:
            return
        try:
            await self.emitter({"type": kind, "data": data})
        except Exception as exc:  # noqa: BLE001 (Open WebUI's code, and the answer does not need the event)
            log.debug("An event was not sent: %s", type(exc).__name__)

    async def show_sources(self, citations: list[Citation]) -> None:
        """Show the sources in the order of their markers, by which Open WebUI numbers them, and end the status."""
        for citation in sorted(citations, key=lambda citation: citation.marker):
            await self._emit("source", _build_source(citation))
        count = len(citations)
        status = (
            f"Answered from {count} passage{'s' * (count != 1)}" if count else "Answered without a source"
        )
        await self.show_status(status, done=True)


class WorkflowBreaker:
    """Circuit breaker for a workflow that does not respond. While it is open, the pipe calls the gateway directly."""

    def __init__(self) -> None:
        self._until: float | None = None

    def allow(self, seconds: float) -> bool:
        """Return True if the workflow may be called: always while closed, else once per ``seconds``."""
        now = asyncio.get_running_loop().time()
        if self._until is None:
            return True
        if now < self._until:
            return False
        self._until = now + seconds
        return True

    def open(self, seconds: float) -> None:
        """Open the circuit for ``seconds`` from now."""
        self._until = asyncio.get_running_loop().time() + seconds

    def close(self) -> None:
        """Close the circuit after a response of the workflow."""
        self._until = None


class Pipe:
    """Pipe function, which Open WebUI calls for each message to a persona's model."""

    class Valves(BaseModel):
        """Settings of the pipe; the installer writes them."""

        gateway_url: str = Field("", description="Base URL of the gateway.")
        n8n_url: str = Field("", description="Base URL of n8n's webhook processes.")
        file_sync_url: str = Field("", description="Base URL of file-sync.")
        orchestrator: Literal["n8n", "direct"] = Field(
            "n8n",
            description="Service that answers: n8n's chat workflow (complete answers), or the gateway (streamed answers).",
        )
        fallback_to_direct: bool = Field(
            default=True, description="Call the gateway directly if n8n is unavailable or fails."
        )
        workflow_timeout_seconds: float = Field(
            30.0,
            gt=0,
            le=600,
            description="Longest wait for n8n if the gateway may be called instead, and the pause of n8n after it.",
        )
        file_timeout_seconds: float = Field(
            20.0, ge=0, le=300, description="Longest wait until attached files are indexed."
        )
        answer_timeout_seconds: float = Field(
            100.0, gt=0, le=600, description="Longest wait for a complete answer."
        )

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.valves = self.Valves()
        self._breaker = WorkflowBreaker()
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def pipe(
        self,
        body: dict[str, Any],
        __metadata__: dict[str, Any] | None = None,
        __files__: list[dict[str, Any]] | None = None,
        __oauth_token__: dict[str, Any] | None = None,
        __event_emitter__: Emitter | None = None,
        __task__: str | None = None,
        __task_body__: dict[str, Any] | None = None,
    ) -> AsyncGenerator[str | dict[str, Any]]:
        """Yield the answer: as chunks in OpenAI's format if it is streamed, else as text."""
        if __task__:
            yield _run_task(__task__, __task_body__ or body)
            return
        valves = self.valves  # Open WebUI replaces the valves on each call
        request = _build_request(
            body, __metadata__ or {}, __files__ or [], __oauth_token__, valves, __event_emitter__
        )
        async with aclosing(self._respond(request, valves)) as pieces:
            async for text in pieces:
                # Open WebUI parses plain text that begins with "data:" as an event of the stream.
                yield _build_chunk(body, text) if body.get("stream") else text

    async def _respond(self, request: ChatRequest, valves: Valves) -> AsyncGenerator[str]:
        try:
            async with aclosing(self._answer(request, valves)) as pieces:
                async for text in pieces:
                    request.has_output = True
                    yield text
        except UserError as exc:
            error = exc
        except TimeoutError:
            error = UserError("deadline-exceeded")
        except Exception as exc:  # noqa: BLE001 (the user gets a message for every error)
            # Without its message, which may contain a user's text.
            log.error("Unexpected %s, request %s", type(exc).__name__, request.request_id)  # noqa: TRY400
            error = UserError("unexpected", request=request.request_id)
        else:
            return
        log.warning("A question was not answered: %s, request %s", error.kind, request.request_id)
        yield f"\n\n*{error.message}*" if request.has_output else error.message
        await request.show_status(
            "The answer is not complete" if request.has_output else "Not answered", done=True
        )

    async def _answer(self, request: ChatRequest, valves: Valves) -> AsyncGenerator[str]:
        _validate(request)
        if request.question.lower() == "/files":
            yield await self._list_files(request, valves)
            return
        command, _, argument = request.question.partition(" ")
        if command.lower() == "/restore":
            yield await self._restore(request, valves, argument.strip())
            return
        if command.lower() == "/deletions":
            yield await self._manage_deletions(request, valves, argument.strip().lower())
            return
        notes = await self._wait_for_files(request, valves)
        await request.show_status("Searching the documents")
        answer = await self._get_workflow_answer(request, valves) if valves.orchestrator == "n8n" else None
        if answer is not None:
            await request.show_sources(answer.citations)
            yield answer.markdown
        else:
            async with aclosing(self._stream_answer(request, valves)) as pieces:
                async for text in pieces:
                    yield text
        if notes:
            yield "\n\n" + "\n".join(f"> {note}" for note in notes)

    async def _get_workflow_answer(self, request: ChatRequest, valves: Valves) -> Answer | None:
        """Return the workflow's answer; ``None`` if n8n is unavailable and the pipe may call the gateway."""
        end = request.deadline
        if valves.fallback_to_direct:
            if not self._breaker.allow(valves.workflow_timeout_seconds):
                return None
            end = min(end, asyncio.get_running_loop().time() + valves.workflow_timeout_seconds)
        try:
            answer = await self._call_workflow(request, valves, end)
        except TimeoutError:
            log.warning("n8n did not respond in time, request %s", request.request_id)
            self._breaker.open(valves.workflow_timeout_seconds)
            if not valves.fallback_to_direct or asyncio.get_running_loop().time() >= request.deadline:
                raise
            return None
        except WorkflowUnavailable as exc:
            log.warning("n8n cannot be reached: %s, request %s", exc, request.request_id)
            if not valves.fallback_to_direct:
                raise UserError("n8n-unavailable") from exc
            return None
        self._breaker.close()
        return answer

    async def _call_workflow(self, request: ChatRequest, valves: Valves, end: float) -> Answer:
        url = f"{valves.n8n_url.rstrip('/')}/webhook/tenantry/chat"
        try:
            async with asyncio.timeout_at(end):
                response = await self._get_client(valves).post(
                    url, json=request.body, headers=request.headers
                )
        except httpx.TimeoutException as exc:
            if isinstance(exc, httpx.ConnectTimeout | httpx.PoolTimeout):
                raise WorkflowUnavailable(type(exc).__name__) from exc
            raise TimeoutError from exc
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise WorkflowUnavailable(type(exc).__name__) from exc
        if response.is_success:
            try:
                return Answer.model_validate_json(response.content)
            except ValidationError as exc:
                raise WorkflowUnavailable("the response is no answer of the workflow") from exc
        raise _to_user_error(request, response, response.content) or WorkflowUnavailable(
            f"status {response.status_code}"
        )

    async def _stream_answer(self, request: ChatRequest, valves: Valves) -> AsyncGenerator[str]:
        """Yield the gateway's answer as it arrives, and show the sources at the end."""
        has_begun = False
        async with aclosing(self._stream_events(request, valves)) as events:
            async for name, data in events:
                if name == "words":
                    if not has_begun:
                        await request.show_status("Answering")
                    has_begun = True
                    yield data["text"]
                elif name == "error":
                    log.warning(
                        "A stream ended with an error: %s, request %s", _get_slug(data), request.request_id
                    )
                    raise UserError("stream-broken")
                elif name == "answer":
                    answer = Answer.model_validate(data)
                    if not has_begun and answer.answer:
                        yield answer.markdown
                    await request.show_sources(answer.citations)
                    return
        raise UserError("stream-broken")

    async def _stream_events(self, request: ChatRequest, valves: Valves) -> AsyncGenerator[tuple[str, Any]]:
        """Yield the name and the data of each of the gateway's events."""
        client = self._get_client(valves)
        try:
            http_request = client.build_request(
                "POST",
                f"{valves.gateway_url.rstrip('/')}/v1/answers",
                json=request.body | {"stream": True},
                headers=request.headers,
            )
            async with asyncio.timeout_at(request.deadline):
                response = await client.send(http_request, stream=True)
        except httpx.TimeoutException as exc:
            is_unavailable = isinstance(exc, httpx.ConnectTimeout | httpx.PoolTimeout)
            raise UserError("gateway-unavailable" if is_unavailable else "deadline-exceeded") from exc
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise UserError("gateway-unavailable") from exc
        async with aclosing(response):
            if not response.is_success:
                async with asyncio.timeout_at(request.deadline):
                    content = await response.aread()
                is_unavailable = response.status_code in PROXY_STATUSES
                fallback = UserError(
                    "gateway-unavailable" if is_unavailable else "unexpected", request=request.request_id
                )
                raise _to_user_error(request, response, content) or fallback
            async with aclosing(_read_lines(response, request.deadline)) as lines:
                name = ""
                async for line in lines:
                    key, _, value = line.partition(": ")
                    if key == "event":
                        name = value
                    elif key == "data":
                        yield name, json.loads(value)

    async def _list_files(self, request: ChatRequest, valves: Valves) -> str:
        """Return the reply to ``/files``."""
        await request.show_status("Listing your files")
        files = await self._get_files(request, valves)
        await request.show_status(f"{len(files)} file{'s' * (len(files) != 1)}", done=True)
        if not files:
            return "You have no files here. Upload one in a chat, or to the knowledge base of a persona."
        lines = [
            f"- {file.description}{f' ({file.persona_id})' if file.persona_id else ''}" for file in files
        ]
        more = len(lines) - MAX_LISTED
        return "\n".join(
            ["Your files:", "", *lines[:MAX_LISTED], *([f"- and {more} more"] if more > 0 else [])]
        )

    async def _restore(self, request: ChatRequest, valves: Valves, argument: str) -> str:
        """Return the reply to ``/restore``: the list of removed documents, or the restored document."""
        await request.show_status("Searching the trash")
        trash = await self._list_trash(request, valves)
        if not argument:
            await request.show_status(f"{len(trash)} document{'s' * (len(trash) != 1)}", done=True)
            if not trash:
                return "The trash contains no document that you may restore."
            more = len(trash) - MAX_LISTED
            return "\n".join(
                [
                    "You can restore these documents. Send `/restore` with the file name or the code.",
                    "",
                    *(document.description for document in trash[:MAX_LISTED]),
                    *([f"- and {more} more"] if more > 0 else []),
                ]
            )
        name = argument.strip("`")
        matches = [document for document in trash if name in (document.removal_id, document.filename)]
        # Prefer the current persona, then the latest removal.
        matches.sort(key=lambda document: (document.persona_id == request.persona, document.removed_at))
        if not matches:
            raise UserError("trashed-document-missing")
        chosen = matches[-1]
        await request.show_status(f"Restoring {_format_code(chosen.filename)}")
        path = f"/v1/documents/{quote(chosen.document_id, safe='')}/restore"
        await self._call_gateway(request, valves, "POST", path, {"removalId": chosen.removal_id})
        await request.show_status("Restored", done=True)
        return f"{_format_code(chosen.filename)} ({chosen.persona_id}) is restored: answers can use it again."

    async def _manage_deletions(self, request: ChatRequest, valves: Valves, decision: str) -> str:
        """Return the reply to ``/deletions``: the held deletions, or the result of the decision."""
        await request.show_status("Checking the held deletions")
        if decision == "release":
            await self._call_gateway(request, valves, "POST", "/v1/deletions/release", {})
            text = (
                "Released: no deletion is held for one hour. Documents whose files were deleted in Open WebUI go to "
                "the trash within minutes. Deletions through the API must be repeated."
            )
        elif decision == "reject":
            response = await self._call_gateway(request, valves, "POST", "/v1/deletions/reject", {})
            done = Rejection.model_validate_json(response.content)
            text = "\n\n".join(
                [
                    f"Rejected: {len(done.kept)} document{' stays' if len(done.kept) == 1 else 's stay'}.",
                    *(
                        [
                            f"Moved to the trash because another document has the same name: {len(done.in_trash)}."
                        ]
                        * bool(done.in_trash)
                    ),
                    *(
                        [
                            (
                                f"{done.remaining} more {'is' if done.remaining == 1 else 'are'} held. "
                                "Send `/deletions reject` again."
                            )
                        ]
                        * bool(done.remaining)
                    ),
                ]
            )
        else:
            response = await self._call_gateway(request, valves, "GET", "/v1/deletions", {})
            held = HeldDeletions.model_validate_json(response.content).deletions
            more = len(held) - MAX_LISTED
            text = "\n".join(
                [
                    "These deletions are held because there are many in a short time. Nothing has been deleted.",
                    "Send `/deletions release` to allow them, or `/deletions reject` to keep the documents.",
                    "",
                    *(deletion.description for deletion in held[:MAX_LISTED]),
                    *([f"- and {more} more"] if more > 0 else []),
                ]
                if held
                else ["No deletion is held."]
            )
        await request.show_status("Held deletions", done=True)
        return text

    async def _list_trash(self, request: ChatRequest, valves: Valves) -> list[TrashedDocument]:
        """Return the removed documents that the user may restore, the latest first."""
        documents: list[TrashedDocument] = []
        params = {"limit": "100"}
        for _ in range(MAX_TRASH_PAGES):
            response = await self._call_gateway(request, valves, "GET", "/v1/trash", params)
            page = TrashList.model_validate_json(response.content)
            documents += page.documents
            if not page.next_cursor:
                break
            params["cursor"] = page.next_cursor
        return sorted(documents, key=lambda document: document.removed_at, reverse=True)

    async def _call_gateway(
        self, request: ChatRequest, valves: Valves, method: str, path: str, params: Mapping[str, str]
    ) -> httpx.Response:
        """Return the gateway's successful response to a request with the user's token."""
        url = f"{valves.gateway_url.rstrip('/')}{path}"
        try:
            async with asyncio.timeout_at(request.deadline):
                response = await self._get_client(valves).request(
                    method, url, params=params, headers=request.headers
                )
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise UserError("gateway-unavailable") from exc
        if response.is_success:
            return response
        is_unavailable = response.status_code in PROXY_STATUSES
        fallback = UserError(
            "gateway-unavailable" if is_unavailable else "unexpected", request=request.request_id
        )
        raise _to_user_error(request, response, response.content) or fallback

    async def _wait_for_files(self, request: ChatRequest, valves: Valves) -> list[str]:
        """Wait until the user's attached files are indexed; return notes about files that are not ready.

        Ids that file-sync does not list among the user's files are ignored.
        """
        if not request.file_ids:
            return []
        began = asyncio.get_running_loop().time()
        until = min(began + valves.file_timeout_seconds, request.deadline)
        try:
            while True:
                own = [file for file in await self._get_files(request, valves) if file.id in request.file_ids]
                now = asyncio.get_running_loop().time()
                awaited = [file for file in own if _is_pending(file, now - began)]
                if not awaited or now >= until:
                    return [_build_note(file) for file in own if file.state != "ready"]
                await request.show_status(
                    f"Waiting until {', '.join(file.name for file in awaited)[:200]} can be searched"
                )
                await asyncio.sleep(min(POLL_INTERVAL_SECONDS, until - now))
        except UserError as exc:
            if exc.kind != "files-unavailable":
                raise
            return ["I could not check whether the attached files can be searched yet."]

    async def _get_files(self, request: ChatRequest, valves: Valves) -> list[UserFile]:
        """Return the user's files."""
        url = f"{valves.file_sync_url.rstrip('/')}/v1/files"
        try:
            async with asyncio.timeout_at(min(request.deadline, asyncio.get_running_loop().time() + 10)):
                response = await self._get_client(valves).get(url, headers=request.headers)
            if response.is_success:
                return FileList.model_validate_json(response.content).files
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValidationError) as exc:
            raise UserError("files-unavailable") from exc
        refusal = _to_user_error(request, response, response.content)
        raise refusal if refusal and response.status_code in (401, 403) else UserError("files-unavailable")

    def _get_client(self, valves: Valves) -> httpx.AsyncClient:
        """Return the shared client: a new client for each call would cost more than the call."""
        if self._client is None:
            self._client = httpx.AsyncClient(
                transport=self._transport,
                timeout=httpx.Timeout(
                    valves.answer_timeout_seconds,
                    connect=CONNECT_TIMEOUT_SECONDS,
                    pool=CONNECT_TIMEOUT_SECONDS,
                ),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=50),
            )
        return self._client


def _build_request(
    body: Mapping[str, Any],
    metadata: Mapping[str, Any],
    files: Iterable[Any],
    oauth_token: Mapping[str, Any] | None,
    valves: Pipe.Valves,
    emitter: Emitter | None,
) -> ChatRequest:
    """Return the request, built from Open WebUI's arguments."""
    turns = [
        {"role": message["role"], "text": text[:MAX_TURN_CHARACTERS]}
        for message in body.get("messages") or []
        if message.get("role") in ("user", "assistant") and (text := _get_text(message.get("content")))
    ]
    last = max((at for at, turn in enumerate(turns) if turn["role"] == "user"), default=0)
    own = metadata.get("base_user_prompt")
    question = _get_text(own) if own is not None else (turns[last]["text"] if turns else "")
    return ChatRequest(
        question=question.strip(),
        persona=_get_persona(metadata),
        token=str((oauth_token or {}).get("access_token") or ""),
        history=turns[max(0, last - MAX_TURNS) : last],
        file_ids=frozenset(
            file["id"]
            for file in files
            if isinstance(file, dict) and file.get("type") == "file" and isinstance(file.get("id"), str)
        ),
        deadline=asyncio.get_running_loop().time() + valves.answer_timeout_seconds,
        emitter=emitter,
    )


def _get_persona(metadata: Mapping[str, Any]) -> str:
    """Return the persona of the selected model, or an empty string if the model belongs to no persona.

    If several models answer the same message, ``model`` names the first model and ``model_id`` the current
    model.
    """
    model = metadata.get("model_id") or (metadata.get("model") or {}).get("id")
    match = PERSONA_MODEL.fullmatch(model) if isinstance(model, str) else None
    return match[1] if match else ""


def _get_text(content: Any) -> str:
    """Return the text of a message, without the prefix that Open WebUI inserts."""
    if isinstance(content, list):
        parts = [
            part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"
        ]
        content = "".join(ATTACHMENT_PREFIX.sub("", part) for part in parts if isinstance(part, str))
    return ATTACHMENT_PREFIX.sub("", content) if isinstance(content, str) else ""


def _validate(request: ChatRequest) -> None:
    """Raise ``UserError`` for a request that no service can answer."""
    if not request.token:
        raise UserError("not-signed-in")
    if not request.persona:
        raise UserError("not-a-persona")
    if not request.question:
        raise UserError("question-missing")
    if len(request.question) > MAX_QUESTION_CHARACTERS:
        raise UserError("question-too-long", length=len(request.question))


async def _read_lines(response: httpx.Response, deadline: float) -> AsyncGenerator[str]:
    """Yield the lines of a stream of events.

    Only a line feed ends a line. Httpx also ends lines at U+2028 and others, which JSON may contain
    unescaped.
    """
    rest = b""
    async with aclosing(cast("AsyncGenerator[bytes]", response.aiter_bytes())) as chunks:
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    chunk = await anext(chunks, None)
            except httpx.TimeoutException as exc:
                raise UserError("deadline-exceeded") from exc
            except httpx.HTTPError as exc:
                raise UserError("stream-broken") from exc
            if chunk is None:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line.decode()


def _parse_problem(content: bytes) -> dict[str, Any]:
    """Return the problem document, or an empty dict if the content is no problem document."""
    try:
        problem = json.loads(content)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) and isinstance(problem.get("type"), str) else {}


def _get_slug(problem: Mapping[str, Any]) -> str:
    return str(problem.get("type", "")).rpartition("/")[2][:60]


def _to_user_error(request: ChatRequest, response: httpx.Response, content: bytes) -> UserError | None:
    """Return the user's error for a problem document; ``None`` if the response has no known problem type."""
    problem = _parse_problem(content)
    slug = ALIASES.get(_get_slug(problem), _get_slug(problem))
    if slug not in MESSAGES:
        return None
    return UserError(
        slug,
        when=_format_delay(response.headers.get("Retry-After") or problem.get("retryAfter")),
        resets=_format_reset(problem.get("resetsAt")),
        length=len(request.question),
        request=request.request_id,
    )


def _format_delay(seconds: Any) -> str:
    """Return a delay in words."""
    if not str(seconds).isdecimal():
        return "in a moment"
    left = max(1, int(seconds))
    for name, length in (("hour", 3600), ("minute", 60), ("second", 1)):
        if left > 1.5 * length or length == 1:
            count = -(-left // length)
            return f"in {count} {name}{'s' * (count != 1)}"
    raise AssertionError("unreachable: seconds are always named")


def _format_reset(moment: Any) -> str:
    """Return the time in words at which the next token budget starts."""
    try:
        at = datetime.fromisoformat(str(moment))
    except ValueError:
        return "next month"
    return f"on {at.day} {at:%B %Y} at {at:%H:%M} UTC"


def _is_pending(file: UserFile, waited: float) -> bool:
    fresh = file.state == "not-synced" and waited < NEW_FILE_TIMEOUT_SECONDS
    return file.state in PENDING_STATES or fresh


def _build_note(file: UserFile) -> str:
    """Return the note below an answer about a file that the answer could not use."""
    later = file.state in PENDING_STATES
    return f"{file.description}. {'Ask again in a moment to include it.' if later else 'It was not used.'}"


def _format_code(name: str) -> str:
    """Return a file name as inline code, so that Open WebUI does not render its characters as Markdown."""
    return f"`{' '.join(name.replace('`', chr(39)).split())[:80]}`"


def _format_day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def _escape_markdown(text: str) -> str:
    """Return a text in one line with its Markdown escaped."""
    return re.sub(
        r"([\\`*_{}\[\]<>|!#~:@]|(?<=www)\.)", r"\\\1", " ".join(text.split())[:300], flags=re.IGNORECASE
    )


def _format_text_block(text: str) -> str:
    """Return a Markdown code block that shows a text unchanged; no text can end the block early."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _build_source(citation: Citation) -> dict[str, Any]:
    """Return a citation in Open WebUI's format for sources.

    ``source`` must be unique: Open WebUI numbers the distinct values, and markers refer to these numbers.
    Pages are counted from 0. Open WebUI renders the text of a source as Markdown, and fetches an icon from
    another host for a name that begins with "http".
    """
    page = {} if citation.page is None else {"page": citation.page - 1}
    filename = f"File {citation.filename}" if citation.filename.startswith("http") else citation.filename
    name = filename + ("" if citation.page is None else f", page {citation.page}")
    is_file = citation.document_id.startswith(FILE_DOCUMENT_PREFIX)
    link = {"file_id": citation.document_id.removeprefix(FILE_DOCUMENT_PREFIX)} if is_file else {}
    return {
        "source": {"id": citation.document_id, "name": filename},
        "document": [_format_text_block(citation.snippet)],
        "metadata": [{"source": f"{citation.document_id}#{citation.marker}", "name": name, **page, **link}],
    }


def _run_task(task: str, body: Mapping[str, Any]) -> str:
    """Return the result of an Open WebUI background task, such as a chat's title. No documents are searched."""
    if task == "title_generation":
        texts = (
            _get_text(message.get("content"))
            for message in body.get("messages") or []
            if message.get("role") == "user"
        )
        return json.dumps({"title": " ".join(next(texts, "").split())[:60]})
    keys = {"tags_generation": "tags", "follow_up_generation": "follow_ups", "query_generation": "queries"}
    return json.dumps({keys[task]: []}) if task in keys else ""


def _build_chunk(body: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return a text as a chunk of an OpenAI stream."""
    return {
        "id": f"tenantry-{uuid.uuid4().hex}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": body.get("model"),
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
    }
