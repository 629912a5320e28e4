"""Answer service with a cache in front of it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from enum import Enum

from tenancy.model import Tenant

from ..limits.usage import Counts, UsageLog
from ..metrics import ANSWER_CACHE
from ..timings import RequestTimings
from .cache import AnswerCache, CacheLookup, CacheOutcome, build_cache_key
from .service import Answer, AnswerService, Question

__all__ = ["CachePolicy", "CachedAnswerService"]


class CachePolicy(Enum):
    """Use of the cache that a request allows, by ``Cache-Control`` directive (RFC 9111)."""

    DEFAULT = ""
    REFRESH = "no-cache"
    """Generate a new answer and store it."""
    NO_STORE = "no-store"
    """Generate a new answer and do not store it."""


class CachedAnswerService:
    """Answers questions, from the cache if possible.

    Call :meth:`check_cache` first, then :meth:`answer` or :meth:`stream` with its result.
    """

    def __init__(self, answers: AnswerService, cache: AnswerCache, usage: UsageLog) -> None:
        self._answers = answers
        self._cache = cache
        self._usage = usage

    async def check_cache(self, tenant: Tenant, question: Question, policy: CachePolicy) -> CacheLookup:
        """Return the result of the cache lookup for a question.

        A question with a history bypasses the cache, because two histories are hardly ever equal.

        Raises
        ------
        PersonaMissing
            The tenant has no such persona.
        """
        inputs = self._answers.collect_cache_inputs(tenant, question)
        if question.history or not tenant.spec.model.cache_answers or policy is CachePolicy.NO_STORE:
            lookup = CacheLookup(CacheOutcome.BYPASS)
        else:
            lookup = await self._cache.get(tenant, build_cache_key(inputs))
        if policy is CachePolicy.REFRESH and lookup.outcome is not CacheOutcome.UNAVAILABLE:
            lookup = CacheLookup(CacheOutcome.BYPASS, slot=lookup.slot)
        ANSWER_CACHE.labels(lookup.outcome.value).inc()
        return lookup

    async def answer(
        self, tenant: Tenant, question: Question, lookup: CacheLookup, timings: RequestTimings
    ) -> Answer:
        """Return the cached answer, else generate and store one.

        Raises
        ------
        PersonaMissing, TenantNotReady, ModelUnavailable, BackendUnavailable, BackendRefused
            As :meth:`AnswerService.answer`; never for a cached answer.
        BudgetExhausted, LimitsUnavailable
            As :meth:`AnswerService.answer`; never for a cached answer.
        """
        if lookup.answer:
            return self._from_cache(tenant, question, lookup.answer)
        answer = await self._answers.answer(tenant, question, timings)
        await self._store(tenant, lookup, answer)
        return answer

    async def stream(
        self, tenant: Tenant, question: Question, lookup: CacheLookup, timings: RequestTimings
    ) -> AsyncGenerator[str | Answer]:
        """Yield the text and then the answer, from the cache or newly generated.

        An answer that is cut off by a failure or by the caller is not stored.

        Raises
        ------
        PersonaMissing, TenantNotReady, ModelUnavailable, BackendUnavailable, BackendRefused
            As :meth:`AnswerService.stream`; never for a cached answer.
        BudgetExhausted, LimitsUnavailable
            As :meth:`AnswerService.stream`; never for a cached answer.
        """
        if lookup.answer:
            cached = self._from_cache(tenant, question, lookup.answer)
            yield cached.text
            yield cached
            return
        async with aclosing(self._answers.stream(tenant, question, timings)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Answer):
                    await self._store(tenant, lookup, piece)
                yield piece

    async def _store(self, tenant: Tenant, lookup: CacheLookup, answer: Answer) -> None:
        if lookup.slot and self._answers.is_cacheable(tenant, answer):
            await self._cache.put(tenant, lookup.slot, answer)

    def _from_cache(self, tenant: Tenant, question: Question, answer: Answer) -> Answer:
        self._usage.record(
            tenant, Counts(cached_answers=1), model=answer.model, persona_id=question.persona_id
        )
        return replace(answer, cached=True, input_tokens=0, output_tokens=0)
