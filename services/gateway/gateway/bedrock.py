"""Adapter for Bedrock: embeddings through InvokeModel, answers through ConverseStream.

Stored vectors and query vectors must both come from this adapter, truncated in the same way.
"""

import asyncio
import contextlib
import functools
import json
import math
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import boto3
from botocore.exceptions import BotoCoreError, ClientError, ResponseStreamingError
from servicekit.aws import build_client_config, classify, get_error_code
from servicekit.deadline import enforce
from servicekit.errors import BackendUnavailable
from servicekit.fair_semaphore import FairSemaphore
from servicekit.remote import Remote
from servicekit.token_bucket import TokenBucket
from tenancy.model import Guardrail
from urllib3.exceptions import HTTPError

from .gather import gather_or_cancel
from .model_sessions import ModelSessions
from .problems import ModelUnavailable
from .token_estimate import estimate_tokens

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

__all__ = ["Bedrock", "ModelReply", "Prompt", "Turn", "truncate_embedding"]

TITAN_DIMENSIONS = 1024
"""Requested dimension of Titan V2, which offers 256, 512 and 1024."""

EMBED_TIMEOUT_SECONDS = 5.0
"""Timeout of an embedding, which usually takes some tenths of a second."""

INGEST_CONCURRENCY = 16
"""Maximum number of concurrent embeddings of documents."""

QUERY_CONCURRENCY = 32
"""Maximum number of concurrent embeddings of questions. Questions never wait for documents."""

CONVERSE_TIMEOUT_SECONDS = 60.0
"""Timeout of an answer that is not streamed."""

STREAM_IDLE_TIMEOUT_SECONDS = 15.0
"""Timeout of each event of a stream; an event usually takes a few seconds."""

CONVERSE_CONCURRENCY = 128
"""Maximum number of concurrent answers that are not streamed, and of streams that have not started."""

TIMEOUT_MARGIN_SECONDS = 2.0
"""Seconds by which a call's timeout exceeds boto3's, so that the thread is free when the call times out."""

MAX_STREAMS = 256
"""Maximum number of concurrent streams; each occupies a thread while it waits for an event."""

T = TypeVar("T")

_END: Any = object()


@dataclass(frozen=True)
class Turn:
    """Earlier message of a conversation; ``role`` is ``user`` or ``assistant``."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True)
class Prompt:
    """Request to a chat model.

    Parameters
    ----------
    model
        A model id or an inference profile.
    system, text
        The system prompt, and the user's current message.
    history
        Earlier messages, oldest first; the first is the user's, and the roles alternate.
    max_tokens
        Maximum length of the answer.
    tenant_key
        Tenant key of the role session, and in Bedrock's invocation logs.
    guardrail
        The tenant's guardrail; applied to prompt and answer if it has an id.
    """

    model: str
    system: str
    text: str
    max_tokens: int
    tenant_key: str
    guardrail: Guardrail
    history: Sequence[Turn] = ()


@dataclass(frozen=True)
class ModelReply:
    """Reply of a chat model with its tokens."""

    text: str
    model: str
    input_tokens: int
    output_tokens: int


class Bedrock:
    """Adapter for embeddings and chat models.

    Parameters
    ----------
    session
        Session with region and endpoint; see :func:`.model_sessions.open_model_session`.
    sessions
        Role sessions of the tenants.
    embedding_model
        Id of a Titan V2 model; also an attribute.
    dimension
        Length of the returned vectors, see :func:`truncate_embedding`.
    embeddings_per_minute, embedding_tokens_per_minute
        Quotas of embeddings. Documents wait for the quotas; questions count against them and do not wait.
    """

    def __init__(
        self,
        session: boto3.Session,
        sessions: ModelSessions,
        *,
        embedding_model: str,
        dimension: int,
        embeddings_per_minute: int,
        embedding_tokens_per_minute: int,
    ) -> None:
        self.embedding_model = embedding_model
        self._sessions = sessions
        self._dimension = dimension
        self._requests = TokenBucket(embeddings_per_minute)
        self._tokens = TokenBucket(embedding_tokens_per_minute)
        self._ingesting = FairSemaphore(INGEST_CONCURRENCY, per_tenant=INGEST_CONCURRENCY)
        self._embeddings = Remote(
            "bedrock",
            classify,
            timeout=EMBED_TIMEOUT_SECONDS + TIMEOUT_MARGIN_SECONDS,
            attempts=5,
            concurrency=INGEST_CONCURRENCY + QUERY_CONCURRENCY,
        )
        self._answers = Remote(
            "bedrock",
            classify,
            timeout=CONVERSE_TIMEOUT_SECONDS + TIMEOUT_MARGIN_SECONDS,
            attempts=2,  # so that a hanging model and a fallback fit into the request's deadline
            concurrency=CONVERSE_CONCURRENCY,
        )
        self._streams = ThreadPoolExecutor(MAX_STREAMS, thread_name_prefix="bedrock-stream")
        self._embed_client = _make_client(
            session, EMBED_TIMEOUT_SECONDS, INGEST_CONCURRENCY + QUERY_CONCURRENCY
        )
        self._converse_client = _make_client(
            session, STREAM_IDLE_TIMEOUT_SECONDS, CONVERSE_CONCURRENCY + MAX_STREAMS
        )

    async def embed(
        self,
        texts: Sequence[str],
        *,
        tenant_key: str,
        on_tokens: Callable[[int], None] | None = None,
    ) -> list[list[float]]:
        """Return one vector of length 1 for each text of a document, in order.

        Parameters
        ----------
        tenant_key
            Key of the document's tenant. Waiting tenants are served round robin.
        on_tokens
            Called with the number of tokens of each text.

        Raises
        ------
        ModelUnavailable
            Bedrock does not serve the model.
        BackendUnavailable, BackendRefused
            Bedrock did not answer, throttled the call, or refused a text.
        """

        async def embed_within_quota(text: str) -> list[float]:
            async with enforce("bedrock"), self._ingesting.acquire(tenant_key):
                await self._requests.acquire()
                await self._tokens.acquire(estimate_tokens(text))
                return await self._embed(text, tenant_key, on_tokens)

        return await gather_or_cancel(map(embed_within_quota, texts))

    async def embed_query(
        self, text: str, *, tenant_key: str, on_tokens: Callable[[int], None]
    ) -> list[float]:
        """Return the vector of a question without waiting for the quotas.

        Raises
        ------
        ModelUnavailable, BackendUnavailable, BackendRefused
            As :meth:`embed`.
        """
        self._requests.reserve()
        self._tokens.reserve(estimate_tokens(text))
        return await self._embed(text, tenant_key, on_tokens)

    async def converse(self, prompt: Prompt) -> ModelReply:
        """Return a model's reply.

        The reply is read as a stream, so an idle model is detected long before the timeout of the answer.

        Raises
        ------
        ModelUnavailable
            Bedrock does not serve the model.
        BackendUnavailable, BackendRefused
            Bedrock did not answer, throttled the call, or refused the prompt.
        """
        return await self._call("converse", prompt, functools.partial(self._receive_reply, prompt.model))

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | ModelReply]:
        """Yield the pieces of a model's reply as they arrive, and finally the whole reply.

        To stop, close the generator; the call to Bedrock then ends at its next event.

        Raises
        ------
        ModelUnavailable, BackendUnavailable, BackendRefused
            As :meth:`converse`. After the first event there is no retry, and a broken stream is an error.
        """
        response = await self._call("converse-stream", prompt, self._converse_client.converse_stream)
        stream, transcript = response["stream"], _Transcript(prompt.model)
        try:
            events = _iter_events(stream)
            while (event := await self._read_next(events)) is not _END:
                if text := transcript.add(event):
                    yield text
            yield transcript.build_reply()
        finally:
            # Use a thread, because close() waits for a pending read.
            self._streams.submit(stream.close)

    async def _read_next(self, events: Iterator[Any]) -> Any:
        """Return the next event, or :data:`_END` after the last one."""
        loop = asyncio.get_running_loop()
        try:
            async with enforce("bedrock"):
                return await loop.run_in_executor(self._streams, next, events, _END)
        except (BotoCoreError, ClientError) as exc:
            raise BackendUnavailable("bedrock", "converse-stream", type(exc).__name__) from exc

    def close(self) -> None:
        """Close all threads and connections."""
        for remote in (self._embeddings, self._answers):
            remote.close()
        self._sessions.close()
        self._streams.shutdown(wait=False, cancel_futures=True)
        for client in (self._embed_client, self._converse_client):
            client.close()

    async def _call(self, operation: str, prompt: Prompt, call: Callable[..., T]) -> T:
        call_model = functools.partial(
            _call_model, prompt.model, functools.partial(call, **_build_request(prompt))
        )
        # Each model has a separate circuit breaker: one model can fail while others work.
        return await self._sessions.call(
            prompt.tenant_key, self._answers, operation, call_model, circuit=prompt.model
        )

    def _receive_reply(self, model: str, **request: Any) -> ModelReply:
        stream, transcript = self._converse_client.converse_stream(**request)["stream"], _Transcript(model)
        with contextlib.closing(stream):
            for event in _iter_events(stream):
                transcript.add(event)
        return transcript.build_reply()

    async def _embed(
        self, text: str, tenant_key: str, on_tokens: Callable[[int], None] | None
    ) -> list[float]:
        body = json.dumps({"inputText": text, "dimensions": TITAN_DIMENSIONS, "normalize": True})
        invoke = functools.partial(self._invoke, body)
        result = await self._sessions.call(tenant_key, self._embeddings, "embed", invoke)
        tokens = result["inputTextTokenCount"]
        self._tokens.reserve(tokens - estimate_tokens(text))
        if on_tokens:
            on_tokens(tokens)
        return truncate_embedding(result["embedding"], self._dimension)

    def _invoke(self, body: str) -> dict[str, Any]:
        model = self.embedding_model
        response = _call_model(model, lambda: self._embed_client.invoke_model(modelId=model, body=body))
        result: dict[str, Any] = json.loads(response["body"].read())
        return result


class _Transcript:
    """Builder of a reply from the events of a stream."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._pieces: list[str] = []
        self._usage: dict[str, int] = {}

    def add(self, event: dict[str, Any]) -> str:
        """Add an event and return its text, which may be empty."""
        text: str = event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
        self._pieces.append(text)
        self._usage = event.get("metadata", {}).get("usage", self._usage)
        return text

    def build_reply(self) -> ModelReply:
        """Return the whole reply after the last event."""
        text = "".join(self._pieces).strip()
        return ModelReply(text, self._model, self._usage["inputTokens"], self._usage["outputTokens"])


def _iter_events(stream: Iterable[Any]) -> Iterator[Any]:
    """Yield the events of a reply.

    Raises
    ------
    ResponseStreamingError
        The connection broke, or the stream ended without its last event, which has the token counts.
    EventStreamError
        Bedrock aborted the stream.
    """
    try:
        for event in stream:
            yield event
            if "metadata" in event:
                return
    except HTTPError as exc:
        raise ResponseStreamingError(error=type(exc).__name__) from exc
    raise ResponseStreamingError(error="it ended before its last event")


def truncate_embedding(embedding: Sequence[float], dimension: int) -> list[float]:
    """Return the first ``dimension`` numbers of an embedding, scaled to length 1.

    Titan V2 uses Matryoshka representation learning: a prefix of a vector is an embedding by itself,
    slightly less precise. A prefix is shorter than a unit vector, and cosine distances need unit vectors, so
    the prefix is scaled.

    Raises
    ------
    ValueError
        The embedding has fewer than ``dimension`` numbers, or the first ``dimension`` numbers are all zero.
    """
    prefix = embedding[:dimension]
    length = math.hypot(*prefix)
    if len(prefix) < dimension or length == 0:
        raise ValueError(f"an embedding of {len(embedding)} numbers cannot be truncated to {dimension}")
    return [number / length for number in prefix]


def _build_request(prompt: Prompt) -> dict[str, Any]:
    turns = [*prompt.history, Turn("user", prompt.text)]
    # No temperature: the newest models reject it.
    request: dict[str, Any] = {
        "modelId": prompt.model,
        "system": [{"text": prompt.system}],
        "messages": [{"role": turn.role, "content": [{"text": turn.text}]} for turn in turns],
        "inferenceConfig": {"maxTokens": prompt.max_tokens},
        "requestMetadata": {"tenant": prompt.tenant_key},
    }
    if prompt.guardrail.id:
        request["guardrailConfig"] = {
            "guardrailIdentifier": prompt.guardrail.id,
            "guardrailVersion": prompt.guardrail.version or "DRAFT",
        }
    return request


def _make_client(session: boto3.Session, seconds: float, connections: int) -> "BedrockRuntimeClient":
    return session.client(
        "bedrock-runtime", config=build_client_config(read_seconds=seconds, connections=connections)
    )


def _call_model(model: str, call: Callable[[], T]) -> T:
    """Make a call; raise :class:`ModelUnavailable` if Bedrock does not serve the model."""
    try:
        return call()
    except ClientError as exc:
        code, message = get_error_code(exc), exc.response.get("Error", {}).get("Message", "")
        unknown = code == "ValidationException" and ("model identifier" in message or "on-demand" in message)
        if unknown or code in ("ResourceNotFoundException", "AccessDeniedException"):
            raise ModelUnavailable(
                f"Bedrock does not offer {model} to this account (any more). Name a current model in the "
                "Tenant's spec.model.chat or in the gateway's settings.",
                model=model,
            ) from exc
        raise
