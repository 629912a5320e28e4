"""Sessions, client configuration and classification of errors for all clients of AWS."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    EventStreamError,
    HTTPClientError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from .remote import FailureClass

__all__ = ["build_client_config", "classify", "get_error_code", "is_dead_session", "open_session"]

CONNECT_TIMEOUT_SECONDS = 3.0

_BUSY_CODES = frozenset({"SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException"})
"""Codes for throttling, which S3 sends with status 503 and STS with status 400."""

_TRANSIENT_CODES = frozenset({"InternalError", "RequestTimeout", "ServiceUnavailable"})
"""Codes of temporary errors that S3 sends with status 400, or with 200 for one object of a batch."""

_DEAD_SESSION_CODES = frozenset(
    {
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        # Bedrock's codes
        "ExpiredTokenException",
        "UnrecognizedClientException",
    }
)


def open_session() -> boto3.Session:
    """Return a boto3 session with the credentials, region and endpoints of the default chain."""
    return boto3.Session()


def build_client_config(*, read_seconds: float, connections: int) -> Config:
    """Return a client's configuration with one attempt per call: :class:`.remote.Remote` retries."""
    return Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=read_seconds,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": 1},
    )


def get_error_code(exc: ClientError) -> str:
    """Return AWS' code of an error: ``NoSuchKey``, ``ThrottlingException`` and so on."""
    return exc.response.get("Error", {}).get("Code", "")


def is_dead_session(exc: BaseException | None) -> bool:
    """Return True if the session's credentials are no longer valid: revoked, or expired early."""
    return isinstance(exc, ClientError) and get_error_code(exc) in _DEAD_SESSION_CODES


def classify(exc: Exception) -> FailureClass | None:
    """Return the failure class of a boto3 error; ``None`` for any other exception."""
    match exc:
        case EventStreamError():
            return _classify_event(get_error_code(exc))
        case ClientError():
            return _classify_response(get_error_code(exc), exc.response.get("ResponseMetadata", {}))
        case HTTPClientError() | BotoConnectionError() | CredentialRetrievalError():
            return FailureClass.TRANSIENT
        case BotoCoreError():
            return FailureClass.PERMANENT
        case _:
            return None


def _classify_event(code: str) -> FailureClass:
    """Return the failure class of an error inside an event stream, which has a code and no status."""
    match code.lower():
        case "throttlingexception":
            return FailureClass.BUSY
        case "validationexception":
            return FailureClass.PERMANENT
        case _:
            return FailureClass.TRANSIENT


def _classify_response(code: str, metadata: Mapping[str, Any]) -> FailureClass:
    status = int(metadata.get("HTTPStatusCode", 0))
    if status == HTTPStatus.TOO_MANY_REQUESTS or code in _BUSY_CODES:
        return FailureClass.BUSY
    transient = status in {0, 408, 424} or status >= 500 or code in _TRANSIENT_CODES
    return FailureClass.TRANSIENT if transient else FailureClass.PERMANENT
