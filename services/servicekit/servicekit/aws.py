"""What S3, STS and Bedrock have in common: where they are, how to call them, what their errors mean."""

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

from .remote import Fault

__all__ = ["classify", "client_config", "error_code", "is_dead_session", "open_session"]

CONNECT_SECONDS = 3.0

_BUSY_CODES = frozenset({"SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException"})
"""Codes that want us to come back later; S3 sends one with a status of 503, and STS with 400."""

_TRANSIENT_CODES = frozenset({"InternalError", "RequestTimeout", "ServiceUnavailable"})
"""Temporary errors that S3 sends with a status below 500: 400, or 200 for one object of a batch."""

_DEAD_SESSION_CODES = frozenset(
    {"ExpiredToken", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidToken"}
)


def open_session() -> boto3.Session:
    """Return a session with the credentials, region and endpoints that boto3 finds by itself."""
    return boto3.Session()


def client_config(*, read_seconds: float, connections: int) -> Config:
    """Return a client's configuration. It makes one attempt: :class:`.remote.Remote` repeats."""
    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": 1},
    )


def error_code(exc: ClientError) -> str:
    """Return AWS' name of an error: ``NoSuchKey``, ``ThrottlingException`` and so on."""
    return exc.response.get("Error", {}).get("Code", "")


def is_dead_session(exc: BaseException | None) -> bool:
    """Tell whether AWS no longer knows who calls: the session was revoked, or has ended before its time."""
    return isinstance(exc, ClientError) and error_code(exc) in _DEAD_SESSION_CODES


def classify(exc: Exception) -> Fault | None:
    """Say what an error of boto3 means for the next attempt."""
    match exc:
        case EventStreamError():
            return _classify_event(error_code(exc))
        case ClientError():
            return _classify_answer(error_code(exc), exc.response.get("ResponseMetadata", {}))
        case HTTPClientError() | BotoConnectionError() | CredentialRetrievalError():
            return Fault.TRANSIENT
        case BotoCoreError():
            return Fault.PERMANENT
        case _:
            return None


def _classify_event(code: str) -> Fault:
    """Say what an error inside an event stream means; it has a code and no status of its own."""
    match code.lower():
        case "throttlingexception":
            return Fault.BUSY
        case "validationexception":
            return Fault.PERMANENT
        case _:
            return Fault.TRANSIENT


def _classify_answer(code: str, metadata: Mapping[str, Any]) -> Fault:
    status = int(metadata.get("HTTPStatusCode", 0))
    if status == HTTPStatus.TOO_MANY_REQUESTS or code in _BUSY_CODES:
        return Fault.BUSY
    passing = status in {0, 408, 424} or status >= 500 or code in _TRANSIENT_CODES
    return Fault.TRANSIENT if passing else Fault.PERMANENT
