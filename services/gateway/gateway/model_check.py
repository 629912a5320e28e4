"""Startup check that Bedrock serves the configured models.

Bedrock retires models and grants access per region and account, so a static list would be wrong. The check
requests one token from each model. The gateway starts even if the check fails: search works without a chat
model, and tenants may have configured others.
"""

import asyncio
from collections.abc import Sequence

import structlog
from servicekit.errors import BackendError
from tenancy.model import Guardrail

from .bedrock import Bedrock, Prompt
from .metrics import MODEL_SERVED
from .problems import ModelUnavailable

__all__ = ["ModelCheck"]

CALLER = "gateway-start"
"""Session tag and value in Bedrock's invocation log in place of a tenant key."""


class ModelCheck:
    """Checks the models that the settings name.

    Parameters
    ----------
    models
        The chat models; the embedding model is checked as well.
    """

    def __init__(self, bedrock: Bedrock, models: Sequence[str]) -> None:
        self._bedrock = bedrock
        self._models = models
        self._log = structlog.get_logger("gateway.models")

    async def run(self) -> None:
        """Call each model once; log each unavailable model and set its metric."""
        await asyncio.gather(
            self._check(self._bedrock.embedding_model), *(self._check(model) for model in self._models)
        )

    async def _check(self, model: str) -> None:
        try:
            await self._call(model)
        except ModelUnavailable as exc:
            MODEL_SERVED.labels(model).set(0)
            self._log.error("A configured model is not available", model=model, detail=exc.detail)
        except BackendError as exc:
            # The model's state stays unknown: Bedrock throttles or does not respond.
            self._log.warning("Cannot check whether a model is available", model=model, error=str(exc))
        else:
            MODEL_SERVED.labels(model).set(1)

    async def _call(self, model: str) -> None:
        if model == self._bedrock.embedding_model:
            await self._bedrock.embed(["OK"], tenant_key=CALLER)
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
