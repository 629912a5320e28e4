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
from tenancy.aws import classify
from tenancy.remote import Fault


def client_error(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")  # type: ignore[typeddict-item]


def stream_error(code: str) -> EventStreamError:
    """Return what botocore makes of an error in an event stream: it always says 400."""
    return EventStreamError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}},  # type: ignore[typeddict-item]
        "ConverseStream",
    )


@pytest.mark.parametrize(
    ("exc", "fault"),
    [
        pytest.param(client_error("SlowDown", 503), Fault.BUSY, id="slow-down"),
        pytest.param(client_error("ThrottlingException", 400), Fault.BUSY, id="throttled-as-400"),
        pytest.param(client_error("ThrottlingException", 429), Fault.BUSY, id="throttled"),
        pytest.param(client_error("ModelErrorException", 424), Fault.TRANSIENT, id="model-error"),
        pytest.param(client_error("AccessDenied", 403), Fault.PERMANENT, id="denied"),
        pytest.param(client_error("ValidationException", 400), Fault.PERMANENT, id="invalid"),
        pytest.param(stream_error("throttlingException"), Fault.BUSY, id="throttled-in-a-stream"),
        pytest.param(stream_error("validationException"), Fault.PERMANENT, id="invalid-in-a-stream"),
        pytest.param(
            stream_error("modelStreamErrorException"), Fault.TRANSIENT, id="model-error-in-a-stream"
        ),
        pytest.param(stream_error("internalServerException"), Fault.TRANSIENT, id="internal-in-a-stream"),
        pytest.param(EndpointConnectionError(endpoint_url="http://x"), Fault.TRANSIENT, id="refused"),
        pytest.param(ConnectTimeoutError(endpoint_url="http://x"), Fault.TRANSIENT, id="connect-timeout"),
        pytest.param(ReadTimeoutError(endpoint_url="http://x"), Fault.TRANSIENT, id="read-timeout"),
        pytest.param(
            CredentialRetrievalError(provider="x", error_msg="y"), Fault.TRANSIENT, id="credentials-away"
        ),
        pytest.param(NoCredentialsError(), Fault.PERMANENT, id="no-credentials"),
        pytest.param(KeyError("x"), None, id="a-bug-of-ours"),
    ],
)
def test_errors_mean_a_retry_an_end_or_a_bug(exc: Exception, fault: Fault | None) -> None:
    assert classify(exc) is fault
