"""Factory of the errors that the AWS SDK raises for a service's error response."""

from botocore.exceptions import ClientError

__all__ = ["make_client_error"]


def make_client_error(code: str, status: int, operation: str = "Call") -> ClientError:
    """Return the SDK's error for a response with this code and HTTP status."""
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        operation,
    )
