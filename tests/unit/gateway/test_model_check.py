"""Tests of the startup check of models."""

from collections.abc import Iterator

import pytest
import structlog
from gateway.metrics import MODEL_SERVED
from gateway.model_check import ModelCheck
from gateway.problems import ModelUnavailable
from prometheus_client import REGISTRY
from servicekit.errors import BackendUnavailable
from structlog.testing import LogCapture

from tests.support.fakes.backends import FakeBedrock
from tests.support.pytest_setup.logs import configure_plain_logs


@pytest.fixture
def logs() -> Iterator[LogCapture]:
    capture = LogCapture()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    yield capture
    configure_plain_logs()
    MODEL_SERVED.clear()


@pytest.fixture
def bedrock() -> FakeBedrock:
    return FakeBedrock()


def get_served(model: str) -> float | None:
    return REGISTRY.get_sample_value("tenantry_gateway_model_served", {"model": model})


async def test_one_token_is_requested_from_each_model(bedrock: FakeBedrock, logs: LogCapture) -> None:
    await ModelCheck(bedrock.cast_to_real_class(), ["first", "second"]).run()
    assert [(prompt.model, prompt.max_tokens) for prompt in bedrock.prompts] == [("first", 1), ("second", 1)]
    assert [get_served(model) for model in ("first", "second", bedrock.embedding_model)] == [1, 1, 1]
    assert not logs.entries


async def test_a_retired_model_is_logged_with_the_remedy_and_its_metric_is_0(
    bedrock: FakeBedrock, logs: LogCapture
) -> None:
    bedrock.retired["first"] = ModelUnavailable("Name another one.", model="first")
    await ModelCheck(bedrock.cast_to_real_class(), ["first", "second"]).run()
    (line,) = logs.entries
    assert (line["log_level"], line["model"], line["detail"]) == ("error", "first", "Name another one.")
    assert (get_served("first"), get_served("second")) == (0, 1)


async def test_the_embedding_model_is_checked_as_well(bedrock: FakeBedrock, logs: LogCapture) -> None:
    bedrock.fails = ModelUnavailable("Name another one.", model=bedrock.embedding_model)
    await ModelCheck(bedrock.cast_to_real_class(), []).run()
    assert get_served(bedrock.embedding_model) == 0
    assert len(logs.entries) == 1


async def test_an_outage_sets_no_metric(bedrock: FakeBedrock, logs: LogCapture) -> None:
    bedrock.fails = BackendUnavailable("bedrock", "embed", "away")
    await ModelCheck(bedrock.cast_to_real_class(), []).run()
    assert get_served(bedrock.embedding_model) is None
    assert logs.entries[0]["log_level"] == "warning"
