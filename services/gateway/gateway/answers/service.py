"""Answers: find passages, let the model answer from them, keep the citations that hold."""

import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from tenancy.model import Tenant

from ..bedrock import Bedrock, Prompt, Reply, Turn
from ..limits.budget import BYTES_PER_TOKEN, estimate_tokens
from ..limits.ledger import Ledger
from ..models import Passage
from ..personas import require_persona
from ..retrieval.service import RetrievalService
from ..stages import Stages
from .citations import Citation, cite
from .clean import Cleaner, clean
from .history import recent
from .prompt import system_prompt, user_prompt

__all__ = ["Answer", "AnswerService", "Question"]

NOTHING_FOUND = "I found nothing about this in the documents."


@dataclass(frozen=True)
class Question:
    """What is asked.

    Parameters
    ----------
    persona_id
        From this persona's documents only, and in its manner; ``None`` for all of the tenant's documents.
    history
        What was said before, the oldest first.
    """

    text: str
    persona_id: str | None = None
    history: Sequence[Turn] = ()

    @property
    def to_look_for(self) -> str:
        """What passages are looked for with: "And next year?" means little without the question before."""
        before = next((turn.text for turn in reversed(self.history) if turn.role == "user"), "")
        return f"{before}\n{self.text}" if before else self.text


@dataclass(frozen=True)
class Answer:
    """An answer. Without citations it is not grounded in any document, and says nothing of substance."""

    text: str
    model: str
    citations: list[Citation] = field(default_factory=list)
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def grounded(self) -> bool:
        """Whether at least one passage stands behind the answer."""
        return bool(self.citations)


class AnswerService:
    """Answers questions from a tenant's documents.

    Parameters
    ----------
    default_model
        Model of the tenants that name none.
    max_tokens
        Longest answer.
    history_tokens
        Most of what was said before that the model is told of.
    """

    def __init__(
        self,
        retrieval: RetrievalService,
        bedrock: Bedrock,
        ledger: Ledger,
        *,
        default_model: str,
        max_tokens: int,
        history_tokens: int,
    ) -> None:
        self._retrieval = retrieval
        self._bedrock = bedrock
        self._ledger = ledger
        self._default_model = default_model
        self._max_tokens = max_tokens
        self._history_tokens = history_tokens

    async def answer(self, tenant: Tenant, question: Question, stages: Stages) -> Answer:
        """Return an answer. No model is asked when no passage was found: it could only invent.

        Raises
        ------
        PersonaMissing, CollectionMissing, ModelUnavailable, RemoteUnavailable, RemoteRefused
            As :meth:`RetrievalService.find`, and the same from the model.
        BudgetExhausted, LimitsUnavailable
            As :meth:`Ledger.spend`.
        """
        prompt, passages = await self._prepare(tenant, question, stages)
        if not passages:
            return Answer(NOTHING_FOUND, prompt.model)
        async with self._ledger.spend(
            tenant, model=prompt.model, persona_id=question.persona_id, tokens=_most(prompt)
        ) as spending:
            with stages.measure("model"):
                reply = await self._bedrock.converse(prompt)
            spending.report(input_tokens=reply.input_tokens, output_tokens=reply.output_tokens)
        return _answer(reply, clean(reply.text, len(passages)), passages)

    async def stream(
        self, tenant: Tenant, question: Question, stages: Stages
    ) -> AsyncGenerator[str | Answer]:
        """Yield an answer's words as they come, and at last the whole answer, whose text is theirs.

        Who stops listening closes the generator. Words that came are paid then, as far as they can be
        counted.

        Raises
        ------
        PersonaMissing, CollectionMissing, ModelUnavailable, RemoteUnavailable, RemoteRefused
            As :meth:`answer`; from the model also in the middle.
        BudgetExhausted, LimitsUnavailable
            As :meth:`answer`.
        """
        prompt, passages = await self._prepare(tenant, question, stages)
        if not passages:
            yield NOTHING_FOUND
            yield Answer(NOTHING_FOUND, prompt.model)
            return
        cleaner, shown, said = Cleaner(len(passages)), [], 0
        async with (
            self._ledger.spend(
                tenant, model=prompt.model, persona_id=question.persona_id, tokens=_most(prompt)
            ) as spending,
            aclosing(self._bedrock.stream(prompt)) as pieces,
        ):
            with stages.measure("first-token"):
                piece = await anext(pieces)
            while isinstance(piece, str):
                said += len(piece.encode())
                # Bedrock tells what it cost at the very end; until then this is the best guess.
                spending.report(input_tokens=_read(prompt), output_tokens=math.ceil(said / BYTES_PER_TOKEN))
                if words := cleaner.feed(piece):
                    shown.append(words)
                    yield words
                piece = await anext(pieces)
            spending.report(input_tokens=piece.input_tokens, output_tokens=piece.output_tokens)
        if words := cleaner.finish():
            shown.append(words)
            yield words
        yield _answer(piece, "".join(shown), passages)

    async def _prepare(
        self, tenant: Tenant, question: Question, stages: Stages
    ) -> tuple[Prompt, list[Passage]]:
        persona_id = question.persona_id
        persona = require_persona(tenant, persona_id) if persona_id is not None else None
        passages = await self._retrieval.find(tenant, question.to_look_for, stages, persona_id=persona_id)
        prompt = Prompt(
            model=tenant.spec.model.chat or self._default_model,
            system=system_prompt(persona),
            text=user_prompt(question.text, passages),
            history=recent(question.history, self._history_tokens),
            max_tokens=self._max_tokens,
            tenant_key=tenant.key,
            guardrail=tenant.spec.model.guardrail,
        )
        return prompt, passages


def _answer(reply: Reply, text: str, passages: Sequence[Passage]) -> Answer:
    return Answer(text, reply.model, cite(text, passages), reply.input_tokens, reply.output_tokens)


def _read(prompt: Prompt) -> int:
    """Return about how many tokens the model reads."""
    return estimate_tokens(prompt.system, prompt.text, *(turn.text for turn in prompt.history))


def _most(prompt: Prompt) -> int:
    """Return the most tokens that an answer may take."""
    return _read(prompt) + prompt.max_tokens
