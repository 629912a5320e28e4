"""Daily check whether Bedrock will retire a configured model.

Bedrock names the end of a model's life when the model becomes legacy, at least 45 days before. The models are
those of the settings, so no list of them has to be kept elsewhere.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError
from servicekit.aws import build_client_config, get_error_code

from .metrics import MODEL_REPLACEMENT_DUE

if TYPE_CHECKING:
    import boto3

__all__ = ["ModelLifecycleCheck"]

CHECK_INTERVAL_SECONDS = 24 * 3600.0
RETRY_INTERVAL_SECONDS = 3600.0
"""Time to the next check after one that failed."""

NOTICE = timedelta(days=90)
"""Time before the end of a model's life from which on it must be replaced."""

CALL_TIMEOUT_SECONDS = 10.0

_UNKNOWN_MODEL_CODES = frozenset({"ResourceNotFoundException", "ValidationException"})
"""Codes for an identifier that is not one of a foundation model; it can be one of an inference profile."""


class ModelLifecycleCheck:
    """Checks the models that the settings name.

    It does not use :class:`servicekit.remote.Remote`, because a failure is no outage that anyone must repair.

    Parameters
    ----------
    open_session
        Opens a session with the gateway's own credentials.
    models
        Ids or ARNs of models and inference profiles.
    now
        Clock.
    """

    def __init__(
        self,
        open_session: Callable[[], "boto3.Session"],
        models: Sequence[str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._open_session = open_session
        self._models = models
        self._now = now
        self._log = structlog.get_logger("gateway.models")

    async def run(self) -> None:
        """Check once a day, until cancelled."""
        while True:
            passed = await self.check()
            await asyncio.sleep(CHECK_INTERVAL_SECONDS if passed else RETRY_INTERVAL_SECONDS)

    async def check(self) -> bool:
        """Set the metric of each model; return False if Bedrock did not describe one of them."""
        try:
            return await asyncio.to_thread(self._check_all)
        except BotoCoreError as exc:  # for example no credentials
            self._log.warning("Cannot check the lifecycle of the models", error=str(exc))
            return False

    def _check_all(self) -> bool:
        config = build_client_config(read_seconds=CALL_TIMEOUT_SECONDS, connections=1)
        client = self._open_session().client("bedrock", config=config)
        try:
            results = {model: self._check(client, model) for model in self._models}
            return all(results.values())
        finally:
            client.close()

    def _check(self, client: Any, model: str) -> bool:
        try:
            found = list(_describe(client, model))
        except (BotoCoreError, ClientError) as exc:
            self._log.warning("Cannot check the lifecycle of a model", model=model, error=str(exc))
            return False
        due = [each for each in found if self._is_due(each)]
        MODEL_REPLACEMENT_DUE.labels(model).set(bool(due))
        for lifecycle in due:
            end = lifecycle.get("endOfLifeTime")
            self._log.warning(
                "Bedrock retires a configured model; name another one",
                model=model,
                status=lifecycle["status"],
                end=end.date().isoformat() if end else None,
            )
        return True

    def _is_due(self, lifecycle: dict[str, Any]) -> bool:
        end = lifecycle.get("endOfLifeTime")
        return lifecycle["status"] == "LEGACY" or (end is not None and end - self._now() <= NOTICE)


def _describe(client: Any, model: str) -> Iterator[dict[str, Any]]:
    """Yield the lifecycle of a model, or of each model of an inference profile."""
    try:
        yield _get_lifecycle(client, model)
    except ClientError as exc:
        if get_error_code(exc) not in _UNKNOWN_MODEL_CODES:
            raise
        profile = client.get_inference_profile(inferenceProfileIdentifier=model)
        # The ARNs differ in their region. A model ends in all regions, and this one describes it.
        for name in {each["modelArn"].rpartition("/")[2] for each in profile["models"]}:
            yield _get_lifecycle(client, name)


def _get_lifecycle(client: Any, model: str) -> dict[str, Any]:
    details = client.get_foundation_model(modelIdentifier=model)["modelDetails"]
    # A description without a lifecycle is one of an active model.
    lifecycle: dict[str, Any] = details.get("modelLifecycle") or {"status": "ACTIVE"}
    return lifecycle
