"""Answer service: retrieves passages, calls a chat model and builds the citations."""

import math
import unicodedata
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from servicekit.errors import BackendUnavailable
from tenancy.model import Persona, Tenant

from ..bedrock import Bedrock, ModelReply, Prompt, Turn
from ..limits.token_meter import TokenMeter
from ..metrics import FALLBACKS
from ..models import Passage
from ..personas import require_persona
from ..retrieval.service import RetrievalService
from ..timings import RequestTimings
from ..token_estimate import BYTES_PER_TOKEN, estimate_tokens
from .citations import Citation, CitationParser, build_citations, to_numbers
from .history import select_recent
from .prompt import build_system_prompt, build_user_prompt
from .sanitizer import AnswerFormat, AnswerSanitizer

__all__ = ["Answer", "AnswerService", "Question"]

NOTHING_FOUND = "I found nothing about this in the documents."

_QUESTION_MARKS = "?\uff1f\u061f"
"""Question marks of the Latin, Chinese and Arabic scripts."""


@dataclass(frozen=True)
class Question:
    """A question with its context.

    Parameters
    ----------
    persona_id
        Persona whose documents and instructions apply; ``None`` for all of the tenant's documents.
    history
        Earlier messages, oldest first.
    answer_format
        Format that the client expects.
    """

    text: str
    persona_id: str | None = None
    history: Sequence[Turn] = ()
    answer_format: AnswerFormat = AnswerFormat.TEXT

    @property
    def retrieval_query(self) -> str:
        """Query text for retrieval: a follow-up question is prefixed by the previous one."""
        before = next((turn.text for turn in reversed(self.history) if turn.role == "user"), "")
        return f"{before}\n{self.text}" if before else self.text


@dataclass(frozen=True)
class Answer:
    """An answer. Without citations it is not grounded in any document.

    A ``cached`` answer has no tokens: they were counted when the model wrote it.
    """

    text: str
    model: str
    citations: list[Citation] = field(default_factory=list)
    input_tokens: int = 0
    output_tokens: int = 0
    cached: bool = False
    answer_format: AnswerFormat = AnswerFormat.TEXT

    @property
    def grounded(self) -> bool:
        """True if the answer cites at least one passage."""
        return bool(self.citations)


class AnswerService:
    """Answers questions from a tenant's documents.

    Parameters
    ----------
    models
        The default model of tenants, then the fallback models for a model that is throttled or unavailable.
    max_tokens
        Maximum length of an answer.
    history_tokens
        Maximum size of the history in a prompt.
    context_tokens
        Maximum size of all passages, extended by their neighbours.
    """

    def __init__(
        self,
        retrieval: RetrievalService,
        bedrock: Bedrock,
        token_meter: TokenMeter,
        *,
        models: Sequence[str],
        max_tokens: int,
        history_tokens: int,
        context_tokens: int,
    ) -> None:
        self._retrieval = retrieval
        self._bedrock = bedrock
        self._token_meter = token_meter
        self._models = models
        self._log = structlog.get_logger("gateway.answers")
        self._max_tokens = max_tokens
        self._history_tokens = history_tokens
        self._context_tokens = context_tokens

    def collect_cache_inputs(self, tenant: Tenant, question: Question) -> dict[str, Any]:
        """Return all inputs of an answer except the index and the history.

        Raises
        ------
        PersonaMissing
            The tenant has no such persona.
        """
        return {
            "tenant": tenant.metadata.uid,
            "persona": question.persona_id,
            "system": build_system_prompt(_find_persona(tenant, question)),
            "model": self._get_preferred_model(tenant),
            "guardrail": tenant.spec.model.guardrail.model_dump(mode="json"),
            "retrieval": tenant.spec.retrieval.model_dump(mode="json"),
            "embedding": self._bedrock.embedding_model,
            "tokens": [self._max_tokens, self._context_tokens],
            "question": _normalize(question.text),
            "answer_format": question.answer_format,
        }

    def is_cacheable(self, tenant: Tenant, answer: Answer) -> bool:
        """Return True if the answer may be cached.

        It must be grounded, complete as far as known, and written by the preferred model.
        """
        is_complete = answer.output_tokens < self._max_tokens
        return answer.grounded and is_complete and answer.model == self._get_preferred_model(tenant)

    async def answer(self, tenant: Tenant, question: Question, timings: RequestTimings) -> Answer:
        """Return an answer. Without passages no model is called, because a model could only invent an answer.

        Raises
        ------
        PersonaMissing, TenantNotReady, ModelUnavailable, BackendUnavailable, BackendRefused
            The retrieval failed (see :meth:`RetrievalService.find`), or the model failed.
        BudgetExhausted, LimitsUnavailable
            As :meth:`TokenMeter.measure`.
        """
        prompts, passages = await self._prepare(tenant, question, timings)
        if not passages:
            return _build_empty_answer(prompts[0], question)
        for prompt in prompts[:-1]:
            try:
                return await self._converse(tenant, question, prompt, passages, timings)
            except BackendUnavailable as exc:
                self._record_fallback(prompt, exc)
        return await self._converse(tenant, question, prompts[-1], passages, timings)

    async def stream(
        self, tenant: Tenant, question: Question, timings: RequestTimings
    ) -> AsyncGenerator[str | Answer]:
        """Yield the pieces of an answer as they arrive, and finally the whole answer with the same text.

        To stop, close the generator. The tokens of the received pieces are then counted by an estimate.

        Raises
        ------
        PersonaMissing, TenantNotReady, ModelUnavailable, BackendUnavailable, BackendRefused
            As :meth:`answer`; the model may also fail during the stream.
        BudgetExhausted, LimitsUnavailable
            As :meth:`answer`.
        """
        prompts, passages = await self._prepare(tenant, question, timings)
        if not passages:
            yield NOTHING_FOUND
            yield _build_empty_answer(prompts[0], question)
            return
        for prompt in prompts:
            async with aclosing(self._stream(tenant, question, prompt, passages, timings)) as pieces:
                try:
                    first = await anext(pieces)
                except BackendUnavailable as exc:
                    if prompt is prompts[-1]:
                        raise
                    self._record_fallback(prompt, exc)
                    continue
                yield first
                # After the first piece no other model can continue the answer.
                async for piece in pieces:
                    yield piece
                return

    async def _converse(
        self,
        tenant: Tenant,
        question: Question,
        prompt: Prompt,
        passages: Sequence[Passage],
        timings: RequestTimings,
    ) -> Answer:
        async with self._token_meter.measure(
            tenant,
            model=prompt.model,
            persona_id=question.persona_id,
            max_tokens=_estimate_max_tokens(prompt),
        ) as measured:
            with timings.measure("model"):
                reply = await self._bedrock.converse(prompt)
            measured.record(input_tokens=reply.input_tokens, output_tokens=reply.output_tokens)
        builder = _AnswerBuilder(question.answer_format, passages)
        builder.write(reply.text)
        builder.finish()
        return builder.answer(reply)

    async def _stream(
        self,
        tenant: Tenant,
        question: Question,
        prompt: Prompt,
        passages: Sequence[Passage],
        timings: RequestTimings,
    ) -> AsyncGenerator[str | Answer]:
        builder, written = _AnswerBuilder(question.answer_format, passages), 0
        input_tokens = _estimate_prompt_tokens(prompt)
        async with (
            self._token_meter.measure(
                tenant,
                model=prompt.model,
                persona_id=question.persona_id,
                max_tokens=_estimate_max_tokens(prompt),
            ) as measured,
            aclosing(self._bedrock.stream(prompt)) as pieces,
        ):
            with timings.measure("first_token"):
                piece = await anext(pieces)
            while isinstance(piece, str):
                written += len(piece.encode())
                # Bedrock reports the tokens in its last event; until then an estimate is recorded.
                measured.record(input_tokens=input_tokens, output_tokens=math.ceil(written / BYTES_PER_TOKEN))
                if words := builder.write(piece):
                    yield words
                piece = await anext(pieces)
            measured.record(input_tokens=piece.input_tokens, output_tokens=piece.output_tokens)
        if words := builder.finish():
            yield words
        yield builder.answer(piece)

    def _record_fallback(self, prompt: Prompt, exc: BackendUnavailable) -> None:
        FALLBACKS.inc()
        self._log.warning(
            "A model is not available; calling the next one", model=prompt.model, error=str(exc)
        )

    async def _prepare(
        self, tenant: Tenant, question: Question, timings: RequestTimings
    ) -> tuple[list[Prompt], list[Passage]]:
        """Return a prompt per model, the preferred one first, and the passages."""
        persona, persona_id = _find_persona(tenant, question), question.persona_id
        results = await self._retrieval.find(tenant, question.retrieval_query, timings, persona_id=persona_id)
        passages = await self._retrieval.widen(tenant, results, self._context_tokens, timings)
        prompt = Prompt(
            model=self._get_preferred_model(tenant),
            system=build_system_prompt(persona),
            text=build_user_prompt(question.text, passages),
            history=select_recent(question.history, self._history_tokens),
            max_tokens=self._max_tokens,
            tenant_key=tenant.key,
            guardrail=tenant.spec.model.guardrail,
        )
        others = [model for model in self._models if model != prompt.model]
        return [prompt, *(replace(prompt, model=model) for model in others)], passages

    def _get_preferred_model(self, tenant: Tenant) -> str:
        return tenant.spec.model.chat or self._models[0]


def _build_empty_answer(prompt: Prompt, question: Question) -> Answer:
    return Answer(NOTHING_FOUND, prompt.model, answer_format=question.answer_format)


class _AnswerBuilder:
    """Incremental builder of an answer: parses citations and sanitizes the text.

    Parameters
    ----------
    passages
        The passages in the prompt.
    """

    def __init__(self, answer_format: AnswerFormat, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self._parser = CitationParser(len(passages))
        self._format = answer_format
        self._sanitizer = AnswerSanitizer(answer_format)
        self._parsed: list[str] = []
        self._output: list[str] = []

    def write(self, text: str) -> str:
        """Add a piece; return the text that can be shown."""
        return self._show(self._sanitizer.feed(self._parse(self._parser.feed(text))))

    def finish(self) -> str:
        """Return the remaining text."""
        rest = self._sanitizer.feed(self._parse(self._parser.finish()))
        return self._show(rest + self._sanitizer.finish())

    def answer(self, reply: ModelReply) -> Answer:
        """Return the whole answer after :meth:`finish`."""
        citations = build_citations("".join(self._parsed), self._parser.cited, self._passages)
        return Answer(
            "".join(self._output),
            reply.model,
            citations,
            reply.input_tokens,
            reply.output_tokens,
            answer_format=self._format,
        )

    def _parse(self, text: str) -> str:
        self._parsed.append(text)
        return text

    def _show(self, text: str) -> str:
        self._output.append(to_numbers(text))
        return self._output[-1]


def _find_persona(tenant: Tenant, question: Question) -> Persona | None:
    return require_persona(tenant, question.persona_id) if question.persona_id is not None else None


def _normalize(question: str) -> str:
    """Return the question with normalised case, spacing, Unicode composition and without its question mark.

    NFC instead of NFKC, because 5² is not 52; no case folding, because Maße is not Masse.
    """
    return " ".join(unicodedata.normalize("NFC", question).lower().split()).rstrip(f"{_QUESTION_MARKS} ")


def _estimate_prompt_tokens(prompt: Prompt) -> int:
    """Return an estimate of the prompt's tokens."""
    return estimate_tokens(prompt.system, prompt.text, *(turn.text for turn in prompt.history))


def _estimate_max_tokens(prompt: Prompt) -> int:
    """Return an upper bound of the tokens of prompt and answer."""
    return _estimate_prompt_tokens(prompt) + prompt.max_tokens
