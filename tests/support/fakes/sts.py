"""Fake of STS for tests of role sessions."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from .aws_errors import make_client_error

if TYPE_CHECKING:
    import boto3

__all__ = ["FakeStsSession"]


class FakeStsSession:
    """Fake boto3 session that records its clients and calls; credentials contain the session's name."""

    def __init__(self) -> None:
        self.clients: list[tuple[str, dict[str, Any]]] = []
        self.assumed: list[dict[str, Any]] = []
        self.sts_fails = False

    def open(self) -> "boto3.Session":
        return cast("boto3.Session", self)

    def client(self, service: str, **arguments: Any) -> "FakeStsSession":
        self.clients.append((service, arguments))
        return self

    def assume_role(self, **arguments: Any) -> dict[str, Any]:
        if self.sts_fails:
            raise make_client_error("", 503)
        self.assumed.append(arguments)
        name = arguments["RoleSessionName"]
        credentials = {"AccessKeyId": f"key {name}", "SecretAccessKey": f"secret {name}"}
        return {
            "Credentials": {
                **credentials,
                "SessionToken": f"token {name}",
                "Expiration": datetime.now(UTC) + timedelta(hours=1),
            }
        }

    def close(self) -> None:
        """Do nothing; boto3 clients have this method."""
