"""Answers: find passages, let the model answer from them, keep the citations that hold."""

from dataclasses import dataclass, field

from tenancy.model import Tenant

from ..bedrock import Bedrock
from ..limits.budget import estimate_tokens
from ..limits.ledger import Ledger
from ..personas import require_persona
from ..retrieval.service import RetrievalService
from ..stages import Stages
from .citations import Citation, cite
from .prompt import system_prompt, user_prompt

__all__ = ["Answer", "AnswerService"]

NOTHING_FOUND = "I found nothing about this in the documents."


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
    """

    def __init__(
        self,
        retrieval: RetrievalService,
        bedrock: Bedrock,
        ledger: Ledger,
        *,
        default_model: str,
        max_tokens: int,
    ) -> None:
        self._retrieval = retrieval
        self._bedrock = bedrock
        self._ledger = ledger
        self._default_model = default_model
        self._max_tokens = max_tokens

    async def answer(
        self, tenant: Tenant, question: str, stages: Stages, *, persona_id: str | None = None
    ) -> Answer:
        """Return an answer. No model is asked when no passage was found: it could only invent.

        Raises
        ------
        PersonaMissing, CollectionMissing, ModelUnavailable, RemoteUnavailable, RemoteRefused
            As :meth:`RetrievalService.find`, and the same from the model.
        BudgetExhausted, LimitsUnavailable
            As :meth:`Ledger.spend`.
        """
        persona = require_persona(tenant, persona_id) if persona_id is not None else None
        model = tenant.spec.model.chat or self._default_model
        passages = await self._retrieval.find(tenant, question, stages, persona_id=persona_id)
        if not passages:
            return Answer(NOTHING_FOUND, model)
        system, prompt = system_prompt(persona), user_prompt(question, passages)
        most = estimate_tokens(system, prompt) + self._max_tokens
        async with self._ledger.spend(tenant, model=model, persona_id=persona_id, tokens=most) as spending:
            with stages.measure("model"):
                reply = await self._bedrock.converse(
                    model=model,
                    system=system,
                    prompt=prompt,
                    max_tokens=self._max_tokens,
                    tenant_key=tenant.key,
                    guardrail=tenant.spec.model.guardrail,
                )
            spending.report(input_tokens=reply.input_tokens, output_tokens=reply.output_tokens)
        text, citations = cite(reply.text, passages)
        return Answer(text, reply.model, citations, reply.input_tokens, reply.output_tokens)
