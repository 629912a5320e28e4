"""
title: Tenantry
author: Tenantry
version: 1.0.0
license: Apache-2.0
required_open_webui_version: 0.12.4
description: Answers from the documents of the asker's own tenant, through n8n or straight from the gateway.

Every persona has a model in Open WebUI that stands on this pipe. The pipe hands the person's Keycloak access token
on and decides nothing by itself: whose documents are searched follows from the token alone, which the gateway proves.

The file is whole in itself, because Open WebUI stores it as text and runs it in its own process. So it must never
block, every call has an end, and nothing of a token, a question or an answer is logged.
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

MAX_QUESTION = 4000
"""Longest question that the gateway takes, in characters."""

MAX_TURN = 20_000
"""Longest turn of the history that the gateway takes, in characters."""

MAX_TURNS = 100
"""So many turns are handed on, the latest; the gateway takes 200 and reads fewer."""

CONNECT_SECONDS = 3.0
"""A neighbour that does not take a connection by then is away."""

POLL_SECONDS = 1.0
"""Pause between two looks at files that are being indexed."""

NEW_FILE_SECONDS = 8.0
"""So long a file may count as not synced although it was sent a moment ago: it has not been noticed yet."""

LISTED_FILES = 50
"""Most files that ``/files`` names, and most removed documents that ``/restore`` names."""

TRASH_PAGES = 5
"""Most pages of the trash that are read for one command; each has at most 100 documents."""

MARKDOWN = "markdown"
"""The format of answers in which nothing acts when Open WebUI renders them; the gateway makes it."""

PROXY_STATUS = (502, 503, 504)
"""What stands before a service that is away answers so, without a problem document."""

PERSONA_MODEL = re.compile(r"tenant-[a-z0-9](?:[-a-z0-9]*[a-z0-9])?\.([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)")
ATTACHED_FILES = re.compile(r"\A<attached_files>\n(?:<file [^\n]*/>\n)*</attached_files>\n\n")
"""What Open WebUI writes before a person's words when files hang on them."""

FILE_DOCUMENTS = "owui-"
"""Beginning of the ids of documents that are made of Open WebUI's files; the rest is the file's id."""

SIGN_IN = "Sign out, then sign in again with your company's account."

SENTENCES = {
    "not-signed-in": f"You are not signed in with your company's account, or that sign-in has ended. {SIGN_IN}",
    "token-refused": f"Your sign-in has run out. {SIGN_IN}",
    "no-tenant": "Your account belongs to no tenant yet, so there are no documents that I may read for you. "
    "Ask your administrator to add it, then sign in again.",
    "tenant-conflict": "Your account belongs to more than one tenant, so I cannot tell whose documents to read. "
    "Ask your administrator to leave it in one.",
    "tenant-suspended": "Your tenant is suspended at the moment. Its documents are kept; "
    "its administrators can say why and until when.",
    "persona-missing": "This persona no longer exists. Choose another model above.",
    "not-a-persona": "This model belongs to no persona. Choose one of your tenant's models above.",
    "question-missing": "Please write a question.",
    "question-too-long": f"Your question is too long: it has {{length}} characters, and at most {MAX_QUESTION} can be "
    "answered. Shorten it, or upload long texts as a file.",
    "rate-limited": "Your tenant has asked as often in the last minute as it may. Ask again {when}.",
    "budget-exhausted": "Your tenant has used up its budget for this month. It starts anew {resets}; "
    "until then, your administrator can ask for a higher limit.",
    "limits-unavailable": "I cannot check your tenant's limits right now, so I must not answer. Try again {when}.",
    "model-unavailable": "The language model that is set for your tenant is not available. "
    "It stays so until your administrator names another one.",
    "tenant-not-ready": "Your tenant is still being set up. Try again {when}.",
    "identity-unavailable": "I cannot check who you are right now. Try again {when}.",
    "overloaded": "Too many questions are being answered right now. Try again {when}.",
    "backend-unavailable": "A part of the system does not answer right now. Try again {when}.",
    "backend-refused": "A part of the system refused the request. Tell your administrator the number {request}.",
    "deadline-exceeded": "The answer took too long, so I stopped waiting for it. Try again, or ask less at once.",
    "n8n-away": "The assistant's workflow cannot be reached right now. Try again in a few minutes.",
    "gateway-away": "The assistant cannot be reached right now. Try again in a few minutes.",
    "files-away": "I cannot look at your files right now. Try again in a few minutes.",
    "trash-missing": "The trash holds no such document. Write `/restore` to see what can be restored.",
    "document-exists": "A document of that name exists in the same persona. Delete it first: it goes to the trash, "
    "too, and each can be restored.",
    "document-foreign": "Only its owner and your tenant's administrators may restore that document.",
    "document-busy": "That document is being written. Try again {when}.",
    "admin-only": "Only your tenant's administrators may do that.",
    "quota-exceeded": "Your tenant has no room for that document. Delete others first.",
    "writes-unavailable": "Documents cannot be changed right now. Try again {when}.",
    "stream-broken": "The answer broke off here and is not complete. Ask again.",
    "unexpected": "Something went wrong. Try again; if it stays, tell your administrator the number {request}.",
}
"""What a person is told, by what went wrong: for a refusal of the gateway the last part of the problem's type."""

ALIASES = {"internal": "unexpected", "invalid-request": "unexpected"}
"""Types of problems that have no sentence of their own."""

STATES = {
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
UNDER_WAY = frozenset({"waiting", "received", "indexing"})

Emitter = Callable[[dict[str, Any]], Awaitable[Any]]


class Trouble(Exception):
    """A question cannot be answered, and the person is told why.

    Parameters
    ----------
    kind
        A key of ``SENTENCES``.
    facts
        What the sentence names.
    """

    def __init__(self, kind: str, **facts: Any) -> None:
        super().__init__(kind)
        self.kind = kind
        self.facts = facts

    @property
    def sentence(self) -> str:
        """What the person is told."""
        return SENTENCES[self.kind].format_map(self.facts)


class WorkflowAway(Exception):
    """n8n did not answer, or its answer came from no workflow of ours."""


class Wire(BaseModel):
    """What comes from a service; only what is needed is looked at."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )


class Citation(Wire):
    """Where a statement comes from; ``marker`` is its ``[n]`` in the answer."""

    marker: int
    document_id: str
    filename: str
    page: int | None = None
    snippet: str = ""


class Answer(Wire):
    """A whole answer, and the format for which the gateway has sanitized it."""

    answer: str
    format: str = ""
    citations: list[Citation] = []

    @property
    def shown(self) -> str:
        """Its Markdown; as mere text when it was not made for a chat that renders Markdown."""
        return self.answer if self.format == MARKDOWN else _as_text(self.answer)


class PersonFile(Wire):
    """One of the person's own files, and how far it has come."""

    id: str
    filename: str
    persona_id: str | None = None
    state: str
    reason: str | None = None

    @property
    def name(self) -> str:
        """Its name as code, so that nothing in it is rendered."""
        return _as_code(self.filename)

    @property
    def told(self) -> str:
        """How it is with the file, in a sentence without its full stop."""
        told = f"{self.name} {STATES.get(self.state, 'is in an unknown state')}"
        return f"{told}: {_harmless(self.reason).rstrip('.')}" if self.reason else told


class FileList(Wire):
    """All of the person's own files."""

    files: list[PersonFile]


class TrashedDocument(Wire):
    """A removed document that the person may restore."""

    document_id: str
    removal_id: str
    persona_id: str
    filename: str
    removed_at: datetime
    removed_by: str
    restorable_until: datetime

    @property
    def told(self) -> str:
        """A line of the list."""
        by = "in Open WebUI" if self.removed_by == "open-webui" else f"by {_harmless(self.removed_by)}"
        return (
            f"- {_as_code(self.filename)} ({self.persona_id}), removed {by} on {_day(self.removed_at)}, "
            f"until {_day(self.restorable_until)}: `/restore {self.removal_id}`"
        )


class TrashPage(Wire):
    """Some removed documents, and where the list goes on."""

    documents: list[TrashedDocument]
    next_cursor: str | None = None


class HeldDeletion(Wire):
    """A deletion that waits for one of the tenant's administrators."""

    persona_id: str
    filename: str
    requested_by: str

    @property
    def told(self) -> str:
        """A line of the list."""
        by = "in Open WebUI" if self.requested_by == "open-webui" else f"by {_harmless(self.requested_by)}"
        return f"- {_as_code(self.filename)} ({self.persona_id}), deleted {by}"


class HeldDeletions(Wire):
    """All deletions that wait."""

    deletions: list[HeldDeletion]


class Rejection(Wire):
    """Result of a rejection, some deletions at a time."""

    kept: list[HeldDeletion]
    in_trash: list[HeldDeletion]
    remaining: int


@dataclass
class Ask:
    """One question on its way: what was asked, by whom, until when, and whom to tell how it goes."""

    question: str
    persona: str
    token: str
    history: list[dict[str, str]]
    file_ids: frozenset[str]
    deadline: float
    emitter: Emitter | None
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    shown: bool = False
    """Whether words of the answer are out, so that nothing else can be said in their place."""

    @property
    def headers(self) -> dict[str, str]:
        """What proves to a service who asks."""
        return {"Authorization": f"Bearer {self.token}", "X-Request-ID": self.request_id}

    @property
    def body(self) -> dict[str, Any]:
        """The request for an answer."""
        return {
            "question": self.question,
            "personaId": self.persona,
            "history": self.history,
            "format": MARKDOWN,
        }

    async def status(self, description: str, *, done: bool = False) -> None:
        """Show what is going on above the answer."""
        await self.emit("status", {"description": description, "done": done})

    async def emit(self, kind: str, data: dict[str, Any]) -> None:
        """Send an event to the person's browser; an answer does not fail with it."""
        if self.emitter is None:
            return
        try:
            await self.emitter({"type": kind, "data": data})
        except Exception as exc:  # noqa: BLE001 (it is Open WebUI's code, and only decoration)
            log.debug("An event could not be shown: %s", type(exc).__name__)

    async def cite(self, citations: list[Citation]) -> None:
        """Show the sources in the order of their numbers, as Open WebUI counts them, and end the status."""
        for citation in sorted(citations, key=lambda each: each.marker):
            await self.emit("source", _source(citation))
        count = len(citations)
        told = f"Answered from {count} passage{'s' * (count != 1)}" if count else "Answered without a source"
        await self.status(told, done=True)


class Rest:
    """The pause of a workflow that said nothing: questions go past it, and one at a time tries it again."""

    def __init__(self) -> None:
        self._until: float | None = None

    def admits(self, seconds: float) -> bool:
        """Return True if the workflow may be asked; during and after a rest for one question in ``seconds``."""
        now = asyncio.get_running_loop().time()
        if self._until is None:
            return True
        if now < self._until:
            return False
        self._until = now + seconds
        return True

    def begin(self, seconds: float) -> None:
        """Begin a rest, or a longer one."""
        self._until = asyncio.get_running_loop().time() + seconds

    def end(self) -> None:
        """End the rest: the workflow has answered."""
        self._until = None


class Pipe:
    """What Open WebUI calls for each message to a persona's model."""

    class Valves(BaseModel):
        """Settings, which the installer writes."""

        gateway_url: str = Field("", description="The gateway's address.")
        n8n_url: str = Field("", description="The address of n8n's webhook processors.")
        file_sync_url: str = Field("", description="The address of file-sync.")
        orchestrator: Literal["n8n", "direct"] = Field(
            "n8n",
            description="Who answers: n8n's chat workflow (the answer comes whole), or the gateway (it streams).",
        )
        fallback_to_direct: bool = Field(
            default=True, description="Whether the gateway is asked when n8n is away or fails by itself."
        )
        workflow_seconds: float = Field(
            30.0,
            gt=0,
            le=600,
            description="Longest wait for n8n, if the gateway may be asked instead. n8n then rests as long.",
        )
        file_wait_seconds: float = Field(
            20.0, ge=0, le=300, description="Longest wait until attached files are indexed."
        )
        timeout_seconds: float = Field(
            100.0, gt=0, le=600, description="Longest wait for an answer, to its last word."
        )

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.valves = self.Valves()
        self._rest = Rest()
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
        """Yield the answer's words: as chunks of OpenAI's shape when streamed, else as text."""
        if __task__:
            yield _of_task(__task__, __task_body__ or body)
            return
        valves = self.valves  # Open WebUI replaces them at each call
        ask = _ask(body, __metadata__ or {}, __files__ or [], __oauth_token__, valves, __event_emitter__)
        async with aclosing(self._reply(ask, valves)) as pieces:
            async for text in pieces:
                # As plain text a piece that begins with "data:" would be taken for an event of the stream.
                yield _chunk(body, text) if body.get("stream") else text

    async def _reply(self, ask: Ask, valves: Valves) -> AsyncGenerator[str]:
        try:
            async with aclosing(self._answer(ask, valves)) as pieces:
                async for text in pieces:
                    ask.shown = True
                    yield text
        except Trouble as exc:
            trouble = exc
        except TimeoutError:
            trouble = Trouble("deadline-exceeded")
        except Exception as exc:  # noqa: BLE001 (whatever it is, the person is told something)
            # Without its words: they may hold somebody's text.
            log.error("Unexpected %s, request %s", type(exc).__name__, ask.request_id)  # noqa: TRY400
            trouble = Trouble("unexpected", request=ask.request_id)
        else:
            return
        log.warning("A question was not answered: %s, request %s", trouble.kind, ask.request_id)
        yield f"\n\n*{trouble.sentence}*" if ask.shown else trouble.sentence
        await ask.status("The answer is not complete" if ask.shown else "Not answered", done=True)

    async def _answer(self, ask: Ask, valves: Valves) -> AsyncGenerator[str]:
        _check(ask)
        if ask.question.lower() == "/files":
            yield await self._listed(ask, valves)
            return
        command, _, wanted = ask.question.partition(" ")
        if command.lower() == "/restore":
            yield await self._restored(ask, valves, wanted.strip())
            return
        if command.lower() == "/deletions":
            yield await self._decided(ask, valves, wanted.strip().lower())
            return
        notes = await self._wait_for_files(ask, valves)
        await ask.status("Searching the documents")
        answer = await self._through_n8n(ask, valves) if valves.orchestrator == "n8n" else None
        if answer is not None:
            await ask.cite(answer.citations)
            yield answer.shown
        else:
            async with aclosing(self._streamed(ask, valves)) as pieces:
                async for text in pieces:
                    yield text
        if notes:
            yield "\n\n" + "\n".join(f"> {note}" for note in notes)

    async def _through_n8n(self, ask: Ask, valves: Valves) -> Answer | None:
        """Return the workflow's answer; ``None`` when n8n is away and the gateway may be asked instead."""
        end = ask.deadline
        if valves.fallback_to_direct:
            if not self._rest.admits(valves.workflow_seconds):
                return None
            end = min(end, asyncio.get_running_loop().time() + valves.workflow_seconds)
        try:
            answer = await self._ask_n8n(ask, valves, end)
        except TimeoutError:
            log.warning("n8n says nothing, request %s", ask.request_id)
            self._rest.begin(valves.workflow_seconds)
            if not valves.fallback_to_direct or asyncio.get_running_loop().time() >= ask.deadline:
                raise
            return None
        except WorkflowAway as exc:
            log.warning("n8n cannot be reached: %s, request %s", exc, ask.request_id)
            if not valves.fallback_to_direct:
                raise Trouble("n8n-away") from exc
            return None
        self._rest.end()
        return answer

    async def _ask_n8n(self, ask: Ask, valves: Valves, end: float) -> Answer:
        url = f"{valves.n8n_url.rstrip('/')}/webhook/tenantry/chat"
        try:
            async with asyncio.timeout_at(end):
                response = await self._http(valves).post(url, json=ask.body, headers=ask.headers)
        except httpx.TimeoutException as exc:
            if isinstance(exc, httpx.ConnectTimeout | httpx.PoolTimeout):
                raise WorkflowAway(type(exc).__name__) from exc
            raise TimeoutError from exc
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise WorkflowAway(type(exc).__name__) from exc
        if response.is_success:
            try:
                return Answer.model_validate_json(response.content)
            except ValidationError as exc:
                raise WorkflowAway("no answer came of the workflow") from exc
        raise _refusal(ask, response, response.content) or WorkflowAway(f"status {response.status_code}")

    async def _streamed(self, ask: Ask, valves: Valves) -> AsyncGenerator[str]:
        """Yield the gateway's words while they come, and show the sources at the end."""
        begun = False
        async with aclosing(self._events(ask, valves)) as events:
            async for name, data in events:
                if name == "words":
                    if not begun:
                        await ask.status("Answering")
                    begun = True
                    yield data["text"]
                elif name == "error":
                    log.warning("A stream broke: %s, request %s", _slug(data), ask.request_id)
                    raise Trouble("stream-broken")
                elif name == "answer":
                    answer = Answer.model_validate(data)
                    if not begun and answer.answer:
                        yield answer.shown
                    await ask.cite(answer.citations)
                    return
        raise Trouble("stream-broken")

    async def _events(self, ask: Ask, valves: Valves) -> AsyncGenerator[tuple[str, Any]]:
        """Yield names and data of the gateway's events."""
        client = self._http(valves)
        try:
            request = client.build_request(
                "POST",
                f"{valves.gateway_url.rstrip('/')}/v1/answers",
                json=ask.body | {"stream": True},
                headers=ask.headers,
            )
            async with asyncio.timeout_at(ask.deadline):
                response = await client.send(request, stream=True)
        except httpx.TimeoutException as exc:
            away = isinstance(exc, httpx.ConnectTimeout | httpx.PoolTimeout)
            raise Trouble("gateway-away" if away else "deadline-exceeded") from exc
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise Trouble("gateway-away") from exc
        async with aclosing(response):
            if not response.is_success:
                async with asyncio.timeout_at(ask.deadline):
                    content = await response.aread()
                away = response.status_code in PROXY_STATUS
                other = Trouble("gateway-away" if away else "unexpected", request=ask.request_id)
                raise _refusal(ask, response, content) or other
            async with aclosing(_lines(response, ask.deadline)) as lines:
                name = ""
                async for line in lines:
                    key, _, value = line.partition(": ")
                    if key == "event":
                        name = value
                    elif key == "data":
                        yield name, json.loads(value)

    async def _listed(self, ask: Ask, valves: Valves) -> str:
        """Return what ``/files`` is answered with."""
        await ask.status("Looking at your files")
        files = await self._files(ask, valves)
        await ask.status(f"{len(files)} file{'s' * (len(files) != 1)}", done=True)
        if not files:
            return (
                "You have no files here. Upload one in a chat, or into the knowledge of one of your personas."
            )
        lines = [f"- {each.told}{f' ({each.persona_id})' if each.persona_id else ''}" for each in files]
        more = len(lines) - LISTED_FILES
        return "\n".join(
            ["Your files:", "", *lines[:LISTED_FILES], *([f"- and {more} more"] if more > 0 else [])]
        )

    async def _restored(self, ask: Ask, valves: Valves, wanted: str) -> str:
        """Return the answer to ``/restore``: what can be restored, or which document has been."""
        await ask.status("Looking into the trash")
        trash = await self._trash(ask, valves)
        if not wanted:
            await ask.status(f"{len(trash)} document{'s' * (len(trash) != 1)}", done=True)
            if not trash:
                return "The trash holds no document that you may restore."
            more = len(trash) - LISTED_FILES
            return "\n".join(
                [
                    "You can restore these documents. Write `/restore` and the file's name, or the code behind it.",
                    "",
                    *(each.told for each in trash[:LISTED_FILES]),
                    *([f"- and {more} more"] if more > 0 else []),
                ]
            )
        name = wanted.strip("`")
        found = [each for each in trash if name in (each.removal_id, each.filename)]
        # The latest of that name, and of the persona that is asked where there is one.
        found.sort(key=lambda each: (each.persona_id == ask.persona, each.removed_at))
        if not found:
            raise Trouble("trash-missing")
        chosen = found[-1]
        await ask.status(f"Restoring {_as_code(chosen.filename)}")
        path = f"/v1/documents/{quote(chosen.document_id, safe='')}/restore"
        await self._call_gateway(ask, valves, "POST", path, {"removalId": chosen.removal_id})
        await ask.status("Restored", done=True)
        return f"{_as_code(chosen.filename)} ({chosen.persona_id}) is restored: answers can use it again."

    async def _decided(self, ask: Ask, valves: Valves, decision: str) -> str:
        """Return the answer to ``/deletions``: what is held, or what has become of it."""
        await ask.status("Looking at the held deletions")
        if decision == "release":
            await self._call_gateway(ask, valves, "POST", "/v1/deletions/release", {})
            text = (
                "Released: for an hour no deletion is held. Files that are gone from Open WebUI go to the trash within "
                "minutes; people delete theirs again."
            )
        elif decision == "reject":
            response = await self._call_gateway(ask, valves, "POST", "/v1/deletions/reject", {})
            done = Rejection.model_validate_json(response.content)
            text = "\n\n".join(
                [
                    f"Rejected: {len(done.kept)} document{'s' * (len(done.kept) != 1)} stay.",
                    *(
                        [f"In the trash, since another document has their name: {len(done.in_trash)}."]
                        * bool(done.in_trash)
                    ),
                    *(
                        [f"{done.remaining} more are held: write `/deletions reject` again."]
                        * bool(done.remaining)
                    ),
                ]
            )
        else:
            response = await self._call_gateway(ask, valves, "GET", "/v1/deletions", {})
            held = HeldDeletions.model_validate_json(response.content).deletions
            more = len(held) - LISTED_FILES
            text = "\n".join(
                [
                    "These deletions are held, because they are many in a short time. Nothing has been deleted.",
                    "Write `/deletions release` to let them pass, or `/deletions reject` to keep the documents.",
                    "",
                    *(each.told for each in held[:LISTED_FILES]),
                    *([f"- and {more} more"] if more > 0 else []),
                ]
                if held
                else ["No deletion is held."]
            )
        await ask.status("Held deletions", done=True)
        return text

    async def _trash(self, ask: Ask, valves: Valves) -> list[TrashedDocument]:
        """Return the removed documents that the person may restore, the latest first."""
        found: list[TrashedDocument] = []
        params = {"limit": "100"}
        for _ in range(TRASH_PAGES):
            response = await self._call_gateway(ask, valves, "GET", "/v1/trash", params)
            page = TrashPage.model_validate_json(response.content)
            found += page.documents
            if not page.next_cursor:
                break
            params["cursor"] = page.next_cursor
        return sorted(found, key=lambda each: each.removed_at, reverse=True)

    async def _call_gateway(
        self, ask: Ask, valves: Valves, method: str, path: str, params: Mapping[str, str]
    ) -> httpx.Response:
        """Return the gateway's answer to a request of the person, if it is no refusal."""
        url = f"{valves.gateway_url.rstrip('/')}{path}"
        try:
            async with asyncio.timeout_at(ask.deadline):
                response = await self._http(valves).request(method, url, params=params, headers=ask.headers)
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise Trouble("gateway-away") from exc
        if response.is_success:
            return response
        away = response.status_code in PROXY_STATUS
        other = Trouble("gateway-away" if away else "unexpected", request=ask.request_id)
        raise _refusal(ask, response, response.content) or other

    async def _wait_for_files(self, ask: Ask, valves: Valves) -> list[str]:
        """Wait until the person's own attached files are indexed; return what is to be said of the others.

        An id that is not among the person's own files, as file-sync lists them, is not looked at any further.
        """
        if not ask.file_ids:
            return []
        began = asyncio.get_running_loop().time()
        until = min(began + valves.file_wait_seconds, ask.deadline)
        try:
            while True:
                own = [each for each in await self._files(ask, valves) if each.id in ask.file_ids]
                now = asyncio.get_running_loop().time()
                awaited = [each for each in own if _is_under_way(each, now - began)]
                if not awaited or now >= until:
                    return [_note(each) for each in own if each.state != "ready"]
                await ask.status(
                    f"Waiting until {', '.join(each.name for each in awaited)[:200]} can be searched"
                )
                await asyncio.sleep(min(POLL_SECONDS, until - now))
        except Trouble as exc:
            if exc.kind != "files-away":
                raise
            return ["I could not check whether the attached files can be searched yet."]

    async def _files(self, ask: Ask, valves: Valves) -> list[PersonFile]:
        """Return the person's own files."""
        url = f"{valves.file_sync_url.rstrip('/')}/v1/files"
        try:
            async with asyncio.timeout_at(min(ask.deadline, asyncio.get_running_loop().time() + 10)):
                response = await self._http(valves).get(url, headers=ask.headers)
            if response.is_success:
                return FileList.model_validate_json(response.content).files
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValidationError) as exc:
            raise Trouble("files-away") from exc
        refusal = _refusal(ask, response, response.content)
        raise refusal if refusal and response.status_code in (401, 403) else Trouble("files-away")

    def _http(self, valves: Valves) -> httpx.AsyncClient:
        """Return the client of all calls: a new one each time would cost more than the call."""
        if self._client is None:
            self._client = httpx.AsyncClient(
                transport=self._transport,
                timeout=httpx.Timeout(valves.timeout_seconds, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=50),
            )
        return self._client


def _ask(
    body: Mapping[str, Any],
    metadata: Mapping[str, Any],
    files: Iterable[Any],
    oauth_token: Mapping[str, Any] | None,
    valves: Pipe.Valves,
    emitter: Emitter | None,
) -> Ask:
    """Return what is asked, from what Open WebUI hands over."""
    turns = [
        {"role": message["role"], "text": text[:MAX_TURN]}
        for message in body.get("messages") or []
        if message.get("role") in ("user", "assistant") and (text := _own_words(message.get("content")))
    ]
    last = max((at for at, turn in enumerate(turns) if turn["role"] == "user"), default=0)
    own = metadata.get("base_user_prompt")
    asked = _own_words(own) if own is not None else (turns[last]["text"] if turns else "")
    return Ask(
        question=asked.strip(),
        persona=_persona(metadata),
        token=str((oauth_token or {}).get("access_token") or ""),
        history=turns[max(0, last - MAX_TURNS) : last],
        file_ids=frozenset(
            each["id"]
            for each in files
            if isinstance(each, dict) and each.get("type") == "file" and isinstance(each.get("id"), str)
        ),
        deadline=asyncio.get_running_loop().time() + valves.timeout_seconds,
        emitter=emitter,
    )


def _persona(metadata: Mapping[str, Any]) -> str:
    """Return the persona whose model is asked; empty when it is no persona's.

    ``model`` is that of the first of several models that answer side by side, ``model_id`` this one's.
    """
    model = metadata.get("model_id") or (metadata.get("model") or {}).get("id")
    match = PERSONA_MODEL.fullmatch(model) if isinstance(model, str) else None
    return match[1] if match else ""


def _own_words(content: Any) -> str:
    """Return the text of a message, without what Open WebUI put before it."""
    if isinstance(content, list):
        parts = [
            part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"
        ]
        content = "".join(ATTACHED_FILES.sub("", part) for part in parts if isinstance(part, str))
    return ATTACHED_FILES.sub("", content) if isinstance(content, str) else ""


def _check(ask: Ask) -> None:
    """Refuse what no service needs to be asked for."""
    if not ask.token:
        raise Trouble("not-signed-in")
    if not ask.persona:
        raise Trouble("not-a-persona")
    if not ask.question:
        raise Trouble("question-missing")
    if len(ask.question) > MAX_QUESTION:
        raise Trouble("question-too-long", length=len(ask.question))


async def _lines(response: httpx.Response, deadline: float) -> AsyncGenerator[str]:
    """Yield the lines of a stream of events.

    Only a line feed ends one: httpx's own lines also end at U+2028 and others that JSON may hold as they are.
    """
    held = b""
    async with aclosing(cast("AsyncGenerator[bytes]", response.aiter_bytes())) as chunks:
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    chunk = await anext(chunks, None)
            except httpx.TimeoutException as exc:
                raise Trouble("deadline-exceeded") from exc
            except httpx.HTTPError as exc:
                raise Trouble("stream-broken") from exc
            if chunk is None:
                return
            *lines, held = (held + chunk).split(b"\n")
            for line in lines:
                yield line.decode()


def _problem(content: bytes) -> dict[str, Any]:
    """Return a problem document; empty when it is none."""
    try:
        problem = json.loads(content)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) and isinstance(problem.get("type"), str) else {}


def _slug(problem: Mapping[str, Any]) -> str:
    return str(problem.get("type", "")).rpartition("/")[2][:60]


def _refusal(ask: Ask, response: httpx.Response, content: bytes) -> Trouble | None:
    """Return what a refusal means to the person; ``None`` when it was none of our services that refused."""
    problem = _problem(content)
    slug = ALIASES.get(_slug(problem), _slug(problem))
    if slug not in SENTENCES:
        return None
    return Trouble(
        slug,
        when=_when(response.headers.get("Retry-After") or problem.get("retryAfter")),
        resets=_resets(problem.get("resetsAt")),
        length=len(ask.question),
        request=ask.request_id,
    )


def _when(seconds: Any) -> str:
    """Return when to come back, in words."""
    if not str(seconds).isdecimal():
        return "in a moment"
    left = max(1, int(seconds))
    for name, length in (("hour", 3600), ("minute", 60), ("second", 1)):
        if left > 1.5 * length or length == 1:
            count = -(-left // length)
            return f"in {count} {name}{'s' * (count != 1)}"
    raise AssertionError("unreachable: seconds are always named")


def _resets(moment: Any) -> str:
    """Return when a budget starts anew, in words."""
    try:
        at = datetime.fromisoformat(str(moment))
    except ValueError:
        return "next month"
    return f"on {at.day} {at:%B %Y} at {at:%H:%M} UTC"


def _is_under_way(file: PersonFile, waited: float) -> bool:
    fresh = file.state == "not-synced" and waited < NEW_FILE_SECONDS
    return file.state in UNDER_WAY or fresh


def _note(file: PersonFile) -> str:
    """Return what is said below the answer of a file that it could not use."""
    later = file.state in UNDER_WAY
    return f"{file.told}. {'Ask again in a moment to have it read.' if later else 'It was not used.'}"


def _as_code(name: str) -> str:
    """Return a file's name as code, so that nothing in it is rendered."""
    return f"`{' '.join(name.replace('`', chr(39)).split())[:80]}`"


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def _harmless(text: str) -> str:
    """Return a text in one line in which a renderer finds nothing to act on."""
    return re.sub(
        r"([\\`*_{}\[\]<>|!#~:@]|(?<=www)\.)", r"\\\1", " ".join(text.split())[:300], flags=re.IGNORECASE
    )


def _as_text(text: str) -> str:
    """Return Markdown that shows a text as it is: a block of code that nothing in the text can end."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _source(citation: Citation) -> dict[str, Any]:
    """Return a citation as Open WebUI shows sources.

    ``source`` must differ from one to the next: Open WebUI counts sources by it, and the markers point there.
    Its pages count from 0. The text of a source is rendered as Markdown, and for a name that begins with
    "http" an icon is fetched from elsewhere.
    """
    page = {} if citation.page is None else {"page": citation.page - 1}
    filename = f"File {citation.filename}" if citation.filename.startswith("http") else citation.filename
    name = filename + ("" if citation.page is None else f", page {citation.page}")
    is_file = citation.document_id.startswith(FILE_DOCUMENTS)
    link = {"file_id": citation.document_id.removeprefix(FILE_DOCUMENTS)} if is_file else {}
    return {
        "source": {"id": citation.document_id, "name": filename},
        "document": [_as_text(citation.snippet)],
        "metadata": [{"source": f"{citation.document_id}#{citation.marker}", "name": name, **page, **link}],
    }


def _of_task(task: str, body: Mapping[str, Any]) -> str:
    """Return what Open WebUI's own tasks get, without a search: no documents are needed to name a chat."""
    if task == "title_generation":
        words = (
            _own_words(each.get("content"))
            for each in body.get("messages") or []
            if each.get("role") == "user"
        )
        return json.dumps({"title": " ".join(next(words, "").split())[:60]})
    keys = {"tags_generation": "tags", "follow_up_generation": "follow_ups", "query_generation": "queries"}
    return json.dumps({keys[task]: []}) if task in keys else ""


def _chunk(body: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return some words as a chunk of OpenAI's streams."""
    return {
        "id": f"tenantry-{uuid.uuid4().hex}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": body.get("model"),
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
    }
