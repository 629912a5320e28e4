"""Clients of S3 and STS, made once for the process, and the meaning of their errors."""

import threading
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from servicekit.aws import is_dead_session
from servicekit.remote import Fault

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import CredentialsTypeDef

__all__ = ["CALL_SECONDS", "AwsClients", "classify"]

CALL_SECONDS = 10
"""Bound of one call; the SDK's own timeouts are shorter, so that no thread stays taken."""


class AwsClients:
    """The operator's own clients, and those of roles that it assumes.

    All are of one session. For the first client of each session botocore parses megabytes of JSON, and holds
    the interpreter's lock meanwhile. Clients are made in threads, because boto3 reads files for them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: boto3.Session | None = None
        self._s3: S3Client | None = None
        self._sts: STSClient | None = None

    @property
    def s3(self) -> "S3Client":
        """S3 with the operator's own rights."""
        with self._lock:
            if self._s3 is None:
                self._s3 = self._open_session().client("s3", config=_CONFIG)
            return self._s3

    @property
    def sts(self) -> "STSClient":
        """STS with the operator's own rights."""
        with self._lock:
            if self._sts is None:
                self._sts = self._open_session().client("sts", config=_CONFIG)
            return self._sts

    def s3_with(self, credentials: "CredentialsTypeDef") -> "S3Client":
        """Return a client of S3 with the rights of a role that was assumed."""
        with self._lock:
            return self._open_session().client(
                "s3",
                aws_access_key_id=credentials["AccessKeyId"],
                aws_secret_access_key=credentials["SecretAccessKey"],
                aws_session_token=credentials["SessionToken"],
                config=_CONFIG,
            )

    def classify(self, exc: Exception) -> Fault | None:
        """Return the meaning of an error, and forget the session when it was revoked or has ended."""
        if is_dead_session(exc):
            with self._lock:
                self._session = self._s3 = self._sts = None
            return Fault.BUSY
        return classify(exc)

    def _open_session(self) -> boto3.Session:
        if self._session is None:
            self._session = boto3.Session()
        return self._session


_CONFIG = Config(
    connect_timeout=2, read_timeout=7, retries={"total_max_attempts": 1}, max_pool_connections=32
)
"""No retries of the SDK's own: :class:`~servicekit.remote.Remote` retries, and counts each attempt."""

_BUSY = frozenset({"SlowDown", "Throttling", "ThrottlingException"})

_TRANSIENT = frozenset({"InternalError", "RequestTimeout", "ServiceUnavailable"})


def classify(exc: Exception) -> Fault | None:
    """Say what an error of the AWS SDK means for the next attempt."""
    match exc:
        case ClientError():
            status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
            code = exc.response["Error"]["Code"]
            if code in _BUSY or status == 429:
                return Fault.BUSY
            return Fault.TRANSIENT if code in _TRANSIENT or status >= 500 else Fault.PERMANENT
        case BotoCoreError():
            return Fault.TRANSIENT
        case _:
            return None
