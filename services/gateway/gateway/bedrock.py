"""Bedrock: embeddings through InvokeModel, answers through ConverseStream.

The one thing to get right: the vectors that are stored and the vectors that are searched with must come
from here, cut in the same way.
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
from servicekit.aws import classify, client_config, error_code
from servicekit.deadline import enforce
from servicekit.errors import RemoteUnavailable
from servicekit.fair_semaphore import FairSemaphore
from servicekit.remote import Remote
from servicekit.token_bucket import TokenBucket
from tenancy.model import Guardrail
from urllib3.exceptions import HTTPError

from .gather import gather_or_cancel
from .problems import ModelUnavailable

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

__all__ = ["Bedrock", "ModelReply", "Prompt", "Turn", "truncate_embedding"]

TITAN_DIMENSIONS = 1024
"""What we ask of Titan V2, which offers 256, 512 and 1024."""

EMBED_SECONDS = 5.0
"""Longest that an embedding may take; it takes some tenths of a second."""

INGEST_CONCURRENCY = 16
"""Embeddings of documents under way at once."""

QUERY_CONCURRENCY = 32
"""Embeddings of questions under way at once. They have places of their own: nobody waits behind a book."""

CONVERSE_SECONDS = 60.0
"""Longest that an answer which is not streamed may take."""

SILENCE_SECONDS = 15.0
"""Longest that a model may say nothing, at the beginning or between two words; it takes a few seconds."""

CONVERSE_CONCURRENCY = 128
"""Answers under way at once that are not streamed, and streams that have not begun."""

GRACE_SECONDS = 2.0
"""How much later than boto3 we give up, so that its thread is free again when we do."""

STREAMS = 256
"""Answers that are written at once; each holds a thread while it waits for the next words."""

T = TypeVar("T")

_END: Any = object()


@dataclass(frozen=True)
class Turn:
    """What one side said earlier; ``role`` is ``user`` or ``assistant``."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True)
class Prompt:
    """What a model is asked, and for whom.

    Parameters
    ----------
    model
        A model id or an inference profile.
    system, text
        The rules, and what the user says now.
    history
        What was said before, the oldest first; it begins with the user and the sides take turns.
    max_tokens
        Longest answer.
    tenant_key
        For whom: it stands in Bedrock's invocation logs.
    guardrail
        The tenant's own; it is applied to prompt and answer when it has an id.
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
    """What a model said, and what it cost in tokens."""

    text: str
    model: str
    input_tokens: int
    output_tokens: int


class Bedrock:
    """Embeds texts and lets models answer.

    Parameters
    ----------
    session
        Where Bedrock is and who we are there.
    embedding_model
        A Titan V2 model id; also an attribute.
    dimension
        Length of the vectors that are returned, see :func:`truncate_embedding`.
    embeddings_per_minute
        How many embeddings we may ask for. Documents wait for their turn; questions count, and do not wait.
    """

    def __init__(
        self, session: boto3.Session, *, embedding_model: str, dimension: int, embeddings_per_minute: int
    ) -> None:
        self.embedding_model = embedding_model
        self._dimension = dimension
        self._pace = TokenBucket(embeddings_per_minute)
        self._ingesting = FairSemaphore(INGEST_CONCURRENCY, each=INGEST_CONCURRENCY)
        self._embeddings = Remote(
            "bedrock",
            classify,
            timeout=EMBED_SECONDS + GRACE_SECONDS,
            attempts=5,
            concurrency=INGEST_CONCURRENCY + QUERY_CONCURRENCY,
        )
        self._answers = Remote(
            "bedrock",
            classify,
            timeout=CONVERSE_SECONDS + GRACE_SECONDS,
            attempts=2,  # with a model that hangs, and another one after it, within the request's time
            concurrency=CONVERSE_CONCURRENCY,
        )
        self._streams = ThreadPoolExecutor(STREAMS, thread_name_prefix="bedrock-stream")
        self._embedder = _client(session, EMBED_SECONDS, INGEST_CONCURRENCY + QUERY_CONCURRENCY)
        self._talker = _client(session, SILENCE_SECONDS, CONVERSE_CONCURRENCY + STREAMS)

    async def embed(
        self,
        texts: Sequence[str],
        *,
        tenant_key: str = "",
        on_tokens: Callable[[int], None] | None = None,
    ) -> list[list[float]]:
        """Return one vector of length 1 for each text of a document, in order.

        Parameters
        ----------
        tenant_key
            Whose document it is. Texts of the tenants that wait are embedded in turn.
        on_tokens
            Is told, for each text, how many tokens it had.

        Raises
        ------
        ModelUnavailable
            Bedrock does not serve the model.
        RemoteUnavailable, RemoteRefused
            Bedrock did not answer, throttles us, or refused a text.
        """

        async def embed_in_turn(text: str) -> list[float]:
            async with enforce("bedrock"), self._ingesting.acquire(tenant_key):
                await self._pace.acquire()
                return await self._embed(text, on_tokens)

        return await gather_or_cancel(map(embed_in_turn, texts))

    async def embed_query(self, text: str, *, on_tokens: Callable[[int], None]) -> list[float]:
        """Return the vector of a question, at once.

        Raises
        ------
        ModelUnavailable, RemoteUnavailable, RemoteRefused
            As :meth:`embed`.
        """
        self._pace.reserve()
        return await self._embed(text, on_tokens)

    async def converse(self, prompt: Prompt) -> ModelReply:
        """Return a model's reply.

        It is read as a stream, so that a model which falls silent is noticed long before the longest time
        that a whole answer may take.

        Raises
        ------
        ModelUnavailable
            Bedrock does not serve the model.
        RemoteUnavailable, RemoteRefused
            Bedrock did not answer, throttles us, or refused the prompt.
        """
        return await self._ask("converse", prompt, functools.partial(self._reply, prompt.model))

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | ModelReply]:
        """Yield a model's words as they come, and at last the whole reply.

        Who stops listening closes the generator; the call to Bedrock then ends at its next words.

        Raises
        ------
        ModelUnavailable, RemoteUnavailable, RemoteRefused
            As :meth:`converse`. Once words have come nothing is asked again, and a broken stream is an error.
        """
        response = await self._ask("converse-stream", prompt, self._talker.converse_stream)
        stream, transcript = response["stream"], _Transcript(prompt.model)
        try:
            events = _events(stream)
            while (event := await self._next(events)) is not _END:
                if text := transcript.add(event):
                    yield text
            yield transcript.reply()
        finally:
            # Not here: it waits for whoever is reading.
            self._streams.submit(stream.close)

    async def _next(self, events: Iterator[Any]) -> Any:
        """Return the next event, :data:`_END` after the last."""
        loop = asyncio.get_running_loop()
        try:
            async with enforce("bedrock"):
                return await loop.run_in_executor(self._streams, next, events, _END)
        except (BotoCoreError, ClientError) as exc:
            raise RemoteUnavailable("bedrock", "converse-stream", type(exc).__name__) from exc

    def close(self) -> None:
        """Let threads and connections go."""
        for remote in (self._embeddings, self._answers):
            remote.close()
        self._streams.shutdown(wait=False, cancel_futures=True)
        for client in (self._embedder, self._talker):
            client.close()

    async def _ask(self, operation: str, prompt: Prompt, call: Callable[..., T]) -> T:
        ask = functools.partial(_known_model, prompt.model, functools.partial(call, **_request(prompt)))
        # One model can be down while the next one works.
        return await self._answers.call(operation, self._answers.in_thread(ask), circuit=prompt.model)

    def _reply(self, model: str, **request: Any) -> ModelReply:
        stream, transcript = self._talker.converse_stream(**request)["stream"], _Transcript(model)
        with contextlib.closing(stream):
            for event in _events(stream):
                transcript.add(event)
        return transcript.reply()

    async def _embed(self, text: str, on_tokens: Callable[[int], None] | None) -> list[float]:
        body = json.dumps({"inputText": text, "dimensions": TITAN_DIMENSIONS, "normalize": True})
        answer = await self._embeddings.call_in_thread("embed", self._invoke, body)
        if on_tokens:
            on_tokens(answer["inputTextTokenCount"])
        return truncate_embedding(answer["embedding"], self._dimension)

    def _invoke(self, body: str) -> dict[str, Any]:
        model = self.embedding_model
        response = _known_model(model, lambda: self._embedder.invoke_model(modelId=model, body=body))
        answer: dict[str, Any] = json.loads(response["body"].read())
        return answer


class _Transcript:
    """The reply of a model, from the events of its stream."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._said: list[str] = []
        self._usage: dict[str, int] = {}

    def add(self, event: dict[str, Any]) -> str:
        """Add an event, and return its words; many have none."""
        text: str = event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
        self._said.append(text)
        self._usage = event.get("metadata", {}).get("usage", self._usage)
        return text

    def reply(self) -> ModelReply:
        """Return the whole reply; the last event has been added."""
        text = "".join(self._said).strip()
        return ModelReply(text, self._model, self._usage["inputTokens"], self._usage["outputTokens"])


def _events(stream: Iterable[Any]) -> Iterator[Any]:
    """Yield the events of a reply.

    Raises
    ------
    ResponseStreamingError
        The connection broke, or the stream ended without its last event, which tells what the reply cost.
    EventStreamError
        Bedrock broke off.
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

    Titan V2 is trained so that the front of its vectors is a whole embedding by itself (Matryoshka
    representation learning): a cut loses a little sharpness, where a projection of our own would be
    guesswork. It does lose length, and cosine distances want unit vectors, hence the scaling.

    Raises
    ------
    ValueError
        The embedding is shorter than that, or its front is all zeros.
    """
    front = embedding[:dimension]
    length = math.hypot(*front)
    if len(front) < dimension or length == 0:
        raise ValueError(f"an embedding of {len(embedding)} numbers cannot be cut to {dimension}")
    return [number / length for number in front]


def _request(prompt: Prompt) -> dict[str, Any]:
    said = [*prompt.history, Turn("user", prompt.text)]
    # No temperature: the newest models refuse it.
    request: dict[str, Any] = {
        "modelId": prompt.model,
        "system": [{"text": prompt.system}],
        "messages": [{"role": turn.role, "content": [{"text": turn.text}]} for turn in said],
        "inferenceConfig": {"maxTokens": prompt.max_tokens},
        "requestMetadata": {"tenant": prompt.tenant_key},
    }
    if prompt.guardrail.id:
        request["guardrailConfig"] = {
            "guardrailIdentifier": prompt.guardrail.id,
            "guardrailVersion": prompt.guardrail.version or "DRAFT",
        }
    return request


def _client(session: boto3.Session, seconds: float, connections: int) -> "BedrockRuntimeClient":
    return session.client(
        "bedrock-runtime", config=client_config(read_seconds=seconds, connections=connections)
    )


def _known_model(model: str, call: Callable[[], T]) -> T:
    """Make a call; when Bedrock does not know the model, say which setting to change."""
    try:
        return call()
    except ClientError as exc:
        code, message = error_code(exc), exc.response.get("Error", {}).get("Message", "")
        unknown = code == "ValidationException" and ("model identifier" in message or "on-demand" in message)
        if unknown or code in ("ResourceNotFoundException", "AccessDeniedException"):
            raise ModelUnavailable(
                f"Bedrock does not offer {model} to this account (any more). Name a current model in the "
                "Tenant's spec.model.chat or in the gateway's settings.",
                model=model,
            ) from exc
        raise
