"""Tests of the daily check of the models' lifecycle, with botocore's own model of the API."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
import structlog
from botocore.exceptions import NoCredentialsError
from botocore.stub import Stubber
from gateway.metrics import MODEL_REPLACEMENT_DUE
from gateway.model_lifecycle import ModelLifecycleCheck
from prometheus_client import REGISTRY
from structlog.testing import LogCapture

from tests.support.pytest_setup.logs import configure_plain_logs

NOW = datetime(2026, 12, 1, tzinfo=UTC)
MODEL, PROFILE = "amazon.titan-embed-text-v2:0", "us.anthropic.claude-sonnet-4-6"
ARN = "arn:aws:bedrock:{}::foundation-model/anthropic.claude-sonnet-4-6"


@pytest.fixture
def logs() -> Iterator[LogCapture]:
    capture = LogCapture()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    yield capture
    configure_plain_logs()
    MODEL_REPLACEMENT_DUE.clear()


class StubbedBedrockSession:
    """Session whose client answers what the test lists, as botocore's model of Bedrock allows it."""

    def __init__(self) -> None:
        session = boto3.Session("key", "secret", region_name="us-east-1")
        self._client: Any = session.client("bedrock")
        self.stub = Stubber(self._client)
        self.stub.activate()

    def client(self, name: str, config: object) -> Any:
        assert (name, config is not None) == ("bedrock", True)
        return self._client

    def describe(self, model: str, status: str = "ACTIVE", **lifecycle: datetime) -> None:
        details = {
            "modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{model}",
            "modelId": model,
            "modelLifecycle": {"status": status, **lifecycle},
        }
        self.stub.add_response("get_foundation_model", {"modelDetails": details}, {"modelIdentifier": model})

    def refuse(self, code: str) -> None:
        self.stub.add_client_error("get_foundation_model", code)

    def list_models(self, profile: str, *regions: str) -> None:
        response = {
            "inferenceProfileName": "US Claude",
            "inferenceProfileArn": f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{profile}",
            "inferenceProfileId": profile,
            "models": [{"modelArn": ARN.format(region)} for region in regions],
            "status": "ACTIVE",
            "type": "SYSTEM_DEFINED",
        }
        self.stub.add_response("get_inference_profile", response, {"inferenceProfileIdentifier": profile})

    async def check(self, *models: str) -> bool:
        passed = await ModelLifecycleCheck(lambda: self, models, lambda: NOW).check()  # type: ignore[arg-type,return-value]
        self.stub.assert_no_pending_responses()
        return passed


@pytest.fixture
def session(logs: LogCapture) -> StubbedBedrockSession:
    return StubbedBedrockSession()


def get_due(model: str) -> float | None:
    return REGISTRY.get_sample_value("tenantry_gateway_model_replacement_due", {"model": model})


@pytest.mark.parametrize(
    ("status", "days", "due"),
    [
        ("ACTIVE", None, 0),
        ("LEGACY", None, 1),
        ("LEGACY", 200, 1),
        ("ACTIVE", 91, 0),
        ("ACTIVE", 90, 1),
        ("ACTIVE", -1, 1),
    ],
)
async def test_a_model_is_due_when_it_is_legacy_or_ends_within_90_days(
    session: StubbedBedrockSession, status: str, days: int | None, due: int
) -> None:
    end = {} if days is None else {"endOfLifeTime": NOW + timedelta(days=days)}
    session.describe(MODEL, status, **end)
    assert await session.check(MODEL)
    assert get_due(MODEL) == due


async def test_a_due_model_is_logged_with_its_end(session: StubbedBedrockSession, logs: LogCapture) -> None:
    session.describe(MODEL, "LEGACY", endOfLifeTime=NOW + timedelta(days=45))
    await session.check(MODEL)
    (line,) = logs.entries
    assert (line["log_level"], line["model"], line["status"]) == ("warning", MODEL, "LEGACY")
    assert line["end"] == "2027-01-15"


async def test_the_models_of_an_inference_profile_are_checked_once(session: StubbedBedrockSession) -> None:
    session.refuse("ResourceNotFoundException")
    session.list_models(PROFILE, "us-east-1", "us-east-2", "us-west-2")
    session.describe("anthropic.claude-sonnet-4-6", "LEGACY")
    assert await session.check(PROFILE)
    assert get_due(PROFILE) == 1


async def test_a_refused_call_sets_no_metric_and_the_other_models_are_checked(
    session: StubbedBedrockSession, logs: LogCapture
) -> None:
    session.refuse("AccessDeniedException")
    session.describe(MODEL)
    assert not await session.check("first", MODEL)
    assert (get_due("first"), get_due(MODEL)) == (None, 0)
    (line,) = logs.entries
    assert (line["log_level"], line["model"]) == ("warning", "first")


async def test_a_refused_call_keeps_the_last_result(session: StubbedBedrockSession) -> None:
    session.describe(MODEL, "LEGACY")
    await session.check(MODEL)
    session.refuse("ThrottlingException")
    assert not await session.check(MODEL)
    assert get_due(MODEL) == 1


async def test_without_credentials_the_gateway_goes_on(logs: LogCapture) -> None:
    def open_session() -> Any:
        raise NoCredentialsError

    assert not await ModelLifecycleCheck(open_session, [MODEL]).check()
    assert [line["log_level"] for line in logs.entries] == ["warning"]


async def test_a_failed_check_is_repeated_within_the_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    results = iter([False, True])

    class Ended(Exception):
        pass

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise Ended

    async def check(_: ModelLifecycleCheck) -> bool:
        return next(results)

    monkeypatch.setattr("asyncio.sleep", sleep)
    monkeypatch.setattr(ModelLifecycleCheck, "check", check)
    with pytest.raises(Ended):
        await ModelLifecycleCheck(boto3.Session, []).run()
    assert pauses == [3600, 24 * 3600]
