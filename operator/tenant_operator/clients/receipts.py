"""Store of erasure receipts: objects in the documents bucket, outside every tenant's prefix."""

from botocore.exceptions import ClientError
from servicekit.remote import Remote

from .aws import CALL_TIMEOUT_SECONDS, AwsClients

__all__ = ["ReceiptObjects"]


class ReceiptObjects:
    """Reads and writes receipts in one bucket.

    Parameters
    ----------
    bucket
        The documents bucket. Its objects have versions, so that a replaced receipt is still readable.
    clients
        Clients of AWS.
    """

    def __init__(self, bucket: str, clients: AwsClients) -> None:
        self._bucket = bucket
        self._clients = clients
        self._remote = Remote("s3", clients.classify, timeout=CALL_TIMEOUT_SECONDS)

    async def read(self, key: str) -> bytes | None:
        """Return the content of an object, or ``None`` when it is absent."""
        return await self._remote.call_in_thread("get-receipt", self._get, key)

    async def write(self, key: str, body: bytes) -> None:
        """Write an object; when this returns, S3 has stored it."""
        await self._remote.call_in_thread("put-receipt", self._put, key, body)

    def _get(self, key: str) -> bytes | None:
        try:
            response = self._clients.s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as exc:
            if exc.response["Error"]["Code"] in {"NoSuchKey", "404"}:
                return None
            raise
        return response["Body"].read()

    def _put(self, key: str, body: bytes) -> None:
        self._clients.s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json")
