"""Bedrock: embeddings through InvokeModel, answers through Converse.

The one thing to get right: the vectors that are stored and the vectors that are searched with must come
from here, cut in the same way.
"""

import asyncio
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError
from tenancy.model import Guardrail
from tenancy.remote import Remote

from .aws import classify, client_config, error_code
from .problems import ModelUnavailable

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient
    from mypy_boto3_bedrock_runtime.type_defs import ConverseRequestTypeDef

__all__ = ["Bedrock", "Reply", "cut"]

TITAN_DIMENSIONS = 1024
"""What we ask of Titan V2, which offers 256, 512 and 1024."""

EMBED_SECONDS = 10.0
EMBED_CONCURRENCY = 16
"""Embeddings under way at once; the pods together stay far below Bedrock's 2,000 requests a minute."""

CONVERSE_SECONDS = 60.0
CONVERSE_CONCURRENCY = 32
GRACE_SECONDS = 2.0
"""How much later than boto3 we give up, so that its thread is free again when we do."""


@dataclass(frozen=True)
class Reply:
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
        Length of the vectors that are returned, see :func:`cut`.
    """

    def __init__(self, session: boto3.Session, *, embedding_model: str, dimension: int) -> None:
        self.embedding_model = embedding_model
        self._dimension = dimension
        self._embeddings = Remote(
            "bedrock",
            classify,
            timeout=EMBED_SECONDS + GRACE_SECONDS,
            attempts=5,
            concurrency=EMBED_CONCURRENCY,
        )
        self._answers = Remote(
            "bedrock", classify, timeout=CONVERSE_SECONDS + GRACE_SECONDS, concurrency=CONVERSE_CONCURRENCY
        )
        self._embedder = _client(session, EMBED_SECONDS, EMBED_CONCURRENCY)
        self._talker = _client(session, CONVERSE_SECONDS, CONVERSE_CONCURRENCY)

    async def embed(
        self, texts: Sequence[str], *, on_tokens: Callable[[int], None] | None = None
    ) -> list[list[float]]:
        """Return one vector of length 1 for each text, in order.

        Parameters
        ----------
        on_tokens
            Is told, for each text, how many tokens it had.

        Raises
        ------
        ModelUnavailable
            Bedrock does not serve the model.
        RemoteUnavailable, RemoteRefused
            Bedrock did not answer, throttles us, or refused a text.
        """
        return await asyncio.gather(*(self._embed(text, on_tokens) for text in texts))

    async def converse(
        self, *, model: str, system: str, prompt: str, max_tokens: int, tenant_key: str, guardrail: Guardrail
    ) -> Reply:
        """Return a model's reply to one prompt.

        Parameters
        ----------
        tenant_key
            For whom: it stands in Bedrock's invocation logs.
        guardrail
            The tenant's own; it is applied to prompt and answer when it has an id.

        Raises
        ------
        ModelUnavailable
            Bedrock does not serve the model.
        RemoteUnavailable, RemoteRefused
            Bedrock did not answer, throttles us, or refused the prompt.
        """
        # No temperature: the newest models refuse it.
        request: ConverseRequestTypeDef = {
            "modelId": model,
            "system": [{"text": system}],
            "messages": [{"role": "user", "content": [{"text": prompt}]}],
            "inferenceConfig": {"maxTokens": max_tokens},
            "requestMetadata": {"tenant": tenant_key},
        }
        if guardrail.id:
            request["guardrailConfig"] = {
                "guardrailIdentifier": guardrail.id,
                "guardrailVersion": guardrail.version or "DRAFT",
            }
        response = await self._answers.call_in_thread(
            "converse", _known_model, model, lambda: self._talker.converse(**request)
        )
        blocks = response["output"]["message"]["content"]
        return Reply(
            text="".join(block.get("text", "") for block in blocks).strip(),
            model=model,
            input_tokens=response["usage"]["inputTokens"],
            output_tokens=response["usage"]["outputTokens"],
        )

    def close(self) -> None:
        """Let threads and connections go."""
        for remote in (self._embeddings, self._answers):
            remote.close()
        for client in (self._embedder, self._talker):
            client.close()

    async def _embed(self, text: str, on_tokens: Callable[[int], None] | None) -> list[float]:
        body = json.dumps({"inputText": text, "dimensions": TITAN_DIMENSIONS, "normalize": True})
        answer = await self._embeddings.call_in_thread("embed", self._invoke, body)
        if on_tokens:
            on_tokens(answer["inputTextTokenCount"])
        return cut(answer["embedding"], self._dimension)

    def _invoke(self, body: str) -> dict[str, Any]:
        model = self.embedding_model
        response = _known_model(model, lambda: self._embedder.invoke_model(modelId=model, body=body))
        answer: dict[str, Any] = json.loads(response["body"].read())
        return answer


def cut(embedding: Sequence[float], dimension: int) -> list[float]:
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


def _client(session: boto3.Session, seconds: float, connections: int) -> "BedrockRuntimeClient":
    return session.client(
        "bedrock-runtime", config=client_config(read_seconds=seconds, connections=connections)
    )


def _known_model(model: str, call: Callable[[], Any]) -> Any:
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
