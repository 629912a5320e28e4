"""Tests of AWS clients and of the classification of their errors."""

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    EventStreamError,
    NoCredentialsError,
    ReadTimeoutError,
)
from servicekit.aws import build_client_config, classify, get_error_code, is_dead_session
from servicekit.remote import FailureClass

from tests.support.fakes.aws_errors import make_client_error


def make_stream_error(code: str) -> EventStreamError:
    """Return botocore's error of an event stream, whose status is always 400."""
    return EventStreamError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}},  # type: ignore[typeddict-item]
        "ConverseStream",
    )


@pytest.mark.parametrize(
    ("exc", "failure_class"),
    [
        pytest.param(make_client_error("SlowDown", 503), FailureClass.BUSY, id="slow-down"),
        pytest.param(make_client_error("ThrottlingException", 400), FailureClass.BUSY, id="throttled-as-400"),
        pytest.param(make_client_error("ThrottlingException", 429), FailureClass.BUSY, id="throttled"),
        pytest.param(make_client_error("ModelErrorException", 424), FailureClass.TRANSIENT, id="model-error"),
        pytest.param(make_client_error("InternalError", 500), FailureClass.TRANSIENT, id="internal"),
        pytest.param(
            make_client_error("InternalError", 200), FailureClass.TRANSIENT, id="internal-in-a-batch"
        ),
        pytest.param(
            make_client_error("ServiceUnavailable", 200), FailureClass.TRANSIENT, id="unavailable-in-a-batch"
        ),
        pytest.param(make_client_error("AccessDenied", 200), FailureClass.PERMANENT, id="denied-in-a-batch"),
        pytest.param(make_client_error("RequestTimeout", 400), FailureClass.TRANSIENT, id="slow-body"),
        pytest.param(make_client_error("Unknown", 408), FailureClass.TRANSIENT, id="request-timeout"),
        pytest.param(ClientError({}, "GetObject"), FailureClass.TRANSIENT, id="no-answer"),
        pytest.param(make_client_error("AccessDenied", 403), FailureClass.PERMANENT, id="denied"),
        pytest.param(make_client_error("ValidationException", 400), FailureClass.PERMANENT, id="invalid"),
        pytest.param(make_stream_error("throttlingException"), FailureClass.BUSY, id="throttled-in-a-stream"),
        pytest.param(
            make_stream_error("validationException"), FailureClass.PERMANENT, id="invalid-in-a-stream"
        ),
        pytest.param(
            make_stream_error("modelStreamErrorException"),
            FailureClass.TRANSIENT,
            id="model-error-in-a-stream",
        ),
        pytest.param(
            make_stream_error("internalServerException"), FailureClass.TRANSIENT, id="internal-in-a-stream"
        ),
        pytest.param(EndpointConnectionError(endpoint_url="http://x"), FailureClass.TRANSIENT, id="refused"),
        pytest.param(
            ConnectTimeoutError(endpoint_url="http://x"), FailureClass.TRANSIENT, id="connect-timeout"
        ),
        pytest.param(ReadTimeoutError(endpoint_url="http://x"), FailureClass.TRANSIENT, id="read-timeout"),
        pytest.param(
            CredentialRetrievalError(provider="x", error_msg="y"),
            FailureClass.TRANSIENT,
            id="credentials-away",
        ),
        pytest.param(NoCredentialsError(), FailureClass.PERMANENT, id="no-credentials"),
        pytest.param(KeyError("x"), None, id="a-bug-of-ours"),
    ],
)
def test_errors_are_classified(exc: Exception, failure_class: FailureClass | None) -> None:
    assert classify(exc) is failure_class


def test_a_client_makes_one_bounded_attempt() -> None:
    config = vars(build_client_config(read_seconds=10, connections=4))
    assert (config["connect_timeout"], config["read_timeout"], config["max_pool_connections"]) == (3, 10, 4)
    assert config["retries"] == {"mode": "standard", "total_max_attempts": 1}


def test_the_code_of_an_error_without_a_code_is_empty() -> None:
    assert get_error_code(ClientError({}, "GetObject")) == ""


@pytest.mark.parametrize(
    ("exc", "is_dead"),
    [
        (make_client_error("ExpiredToken", 400), True),
        (make_client_error("InvalidAccessKeyId", 403), True),
        (make_client_error("InvalidClientTokenId", 403), True),
        (make_client_error("InvalidToken", 400), True),
        (make_client_error("AccessDenied", 403), False),
        (KeyError("x"), False),
        (None, False),
    ],
)
def test_a_session_that_aws_rejects_is_dead(exc: Exception | None, *, is_dead: bool) -> None:
    assert is_dead_session(exc) is is_dead
