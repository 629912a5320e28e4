"""Clients of S3 and STS for the whole process."""

import threading
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from servicekit.aws import classify, is_dead_session
from servicekit.remote import FailureClass

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import CredentialsTypeDef

__all__ = ["CALL_TIMEOUT_SECONDS", "AwsClients"]

CALL_TIMEOUT_SECONDS = 10
"""Timeout of one call. The SDK's own timeouts are shorter, so that no thread hangs."""


class AwsClients:
    """Clients of S3 and STS with the operator's rights, and of S3 with the rights of an assumed role.

    All clients share one session: for a session's first client, botocore parses megabytes of JSON and holds
    the interpreter's lock. Create clients in threads, because boto3 reads files.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: boto3.Session | None = None
        self._s3: S3Client | None = None
        self._sts: STSClient | None = None

    @property
    def s3(self) -> "S3Client":
        """Client of S3 with the operator's rights."""
        with self._lock:
            if self._s3 is None:
                self._s3 = self._open_session().client("s3", config=_CONFIG)
            return self._s3

    @property
    def sts(self) -> "STSClient":
        """Client of STS with the operator's rights."""
        with self._lock:
            if self._sts is None:
                self._sts = self._open_session().client("sts", config=_CONFIG)
            return self._sts

    def create_s3_client(self, credentials: "CredentialsTypeDef") -> "S3Client":
        """Return a client of S3 with the rights of an assumed role."""
        with self._lock:
            return self._open_session().client(
                "s3",
                aws_access_key_id=credentials["AccessKeyId"],
                aws_secret_access_key=credentials["SecretAccessKey"],
                aws_session_token=credentials["SessionToken"],
                config=_CONFIG,
            )

    def classify(self, exc: Exception) -> FailureClass | None:
        """Return the class of an error.

        Drop a revoked or expired session, so that a retry opens a new session.
        """
        if is_dead_session(exc):
            with self._lock:
                self._session = self._s3 = self._sts = None
            return FailureClass.BUSY
        return classify(exc)

    def _open_session(self) -> boto3.Session:
        if self._session is None:
            self._session = boto3.Session()
        return self._session


_CONFIG = Config(
    connect_timeout=2, read_timeout=7, retries={"total_max_attempts": 1}, max_pool_connections=32
)
"""One attempt: :class:`~servicekit.remote.Remote` retries, and counts each attempt."""
