"""Whether Bedrock serves the configured models, found out at the start and not by the first person.

Models are retired, and access to them is given by region and account; no list that we could keep would be
right. So each model is asked for one token. The gateway starts whatever comes of it: search works without a
model that answers, and tenants may have chosen others.
"""

import asyncio
from collections.abc import Sequence

import structlog
from servicekit.errors import RemoteError
from tenancy.model import Guardrail

from .bedrock import Bedrock, Prompt
from .metrics import MODEL_SERVED
from .problems import ModelUnavailable

__all__ = ["ModelCheck"]

CALLER = "gateway-start"
"""What stands in Bedrock's invocation log in a tenant's place."""


class ModelCheck:
    """Asks the models that the settings name.

    Parameters
    ----------
    models
        Those that answer; the embedding model is asked, too.
    """

    def __init__(self, bedrock: Bedrock, models: Sequence[str]) -> None:
        self._bedrock = bedrock
        self._models = models
        self._log = structlog.get_logger("gateway.models")

    async def run(self) -> None:
        """Ask each model once; what does not work is logged with what to do, and shown as a metric."""
        await asyncio.gather(
            self._check(self._bedrock.embedding_model), *(self._check(model) for model in self._models)
        )

    async def _check(self, model: str) -> None:
        try:
            await self._ask(model)
        except ModelUnavailable as exc:
            MODEL_SERVED.labels(model).set(0)
            self._log.error("A configured model is not available", model=model, detail=exc.detail)
        except RemoteError as exc:
            # It says nothing about the model: Bedrock is busy, or away.
            self._log.warning("Cannot tell whether a model is available", model=model, error=str(exc))
        else:
            MODEL_SERVED.labels(model).set(1)

    async def _ask(self, model: str) -> None:
        if model == self._bedrock.embedding_model:
            await self._bedrock.embed(["OK"])
            return
        prompt = Prompt(
            model=model,
            system="Say OK.",
            text="OK?",
            max_tokens=1,
            tenant_key=CALLER,
            guardrail=Guardrail(),
        )
        await self._bedrock.converse(prompt)
