"""Answers, given again where they may be."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from enum import Enum

from tenancy.model import Tenant

from ..limits.usage import Counts, UsageLog
from ..metrics import ANSWER_CACHE
from ..timings import Stages
from .cache import AnswerCache, Look, Outcome, digest
from .service import Answer, AnswerService, Question

__all__ = ["CachedAnswers", "Reuse"]


class Reuse(Enum):
    """What a request allows, in the words of ``Cache-Control`` (RFC 9111)."""

    ALLOWED = ""
    ANEW = "no-cache"
    """Answer anew; that answer may be given to others."""
    FORBIDDEN = "no-store"
    """Answer anew, and forget it."""


class CachedAnswers:
    """Answers questions, and those that were answered already from the cache.

    First :meth:`look`, then ask for the answer or the stream with what was seen.
    """

    def __init__(self, answers: AnswerService, cache: AnswerCache, usage: UsageLog) -> None:
        self._answers = answers
        self._cache = cache
        self._usage = usage

    async def look(self, tenant: Tenant, question: Question, reuse: Reuse) -> Look:
        """Return what the cache has for a question.

        A question with a history is never looked for: hardly any two histories are the same.

        Raises
        ------
        PersonaMissing
            The tenant has no such persona.
        """
        basis = self._answers.basis(tenant, question)
        if question.history or not tenant.spec.model.cache_answers or reuse is Reuse.FORBIDDEN:
            look = Look(Outcome.BYPASS)
        else:
            look = await self._cache.find(tenant, digest(basis))
        if reuse is Reuse.ANEW and look.outcome is not Outcome.UNAVAILABLE:
            look = Look(Outcome.BYPASS, slot=look.slot)
        ANSWER_CACHE.labels(look.outcome.value).inc()
        return look

    async def answer(self, tenant: Tenant, question: Question, look: Look, stages: Stages) -> Answer:
        """Return the answer that was seen, else a new one.

        Raises
        ------
        PersonaMissing, CollectionMissing, ModelUnavailable, RemoteUnavailable, RemoteRefused
            As :meth:`AnswerService.answer`; none of them for an answer that was seen.
        BudgetExhausted, LimitsUnavailable
            Likewise.
        """
        if look.answer:
            return self._again(tenant, question, look.answer)
        answer = await self._answers.answer(tenant, question, stages)
        await self._keep(tenant, look, answer)
        return answer

    async def stream(
        self, tenant: Tenant, question: Question, look: Look, stages: Stages
    ) -> AsyncGenerator[str | Answer]:
        """Yield the words and then the answer that was seen, else those of a new one.

        What is cut off, by a failure or by whoever stops listening, is not kept.

        Raises
        ------
        PersonaMissing, CollectionMissing, ModelUnavailable, RemoteUnavailable, RemoteRefused
            As :meth:`AnswerService.stream`; none of them for an answer that was seen.
        BudgetExhausted, LimitsUnavailable
            Likewise.
        """
        if look.answer:
            again = self._again(tenant, question, look.answer)
            yield again.text
            yield again
            return
        async with aclosing(self._answers.stream(tenant, question, stages)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Answer):
                    await self._keep(tenant, look, piece)
                yield piece

    async def _keep(self, tenant: Tenant, look: Look, answer: Answer) -> None:
        if look.slot and self._answers.is_worth_keeping(tenant, answer):
            await self._cache.keep(tenant, look.slot, answer)

    def _again(self, tenant: Tenant, question: Question, answer: Answer) -> Answer:
        self._usage.record(
            tenant, Counts(cached_answers=1), model=answer.model, persona_id=question.persona_id
        )
        return replace(answer, cached=True, input_tokens=0, output_tokens=0)
