"""Settings of the connection to Redis."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr, ValidationInfo, field_validator

from .settings import ProgramSettings
from .tls import AuthorityFile

__all__ = ["RedisSettings"]


class RedisSettings(ProgramSettings):
    """Settings of a program that connects to Redis.

    With TLS, the program always verifies Redis' certificate and host name.
    """

    redis_tls: bool = False
    """True to refuse a `redis_url` without TLS."""

    redis_ca_file: AuthorityFile | None = None
    """PEM file of the authority that signed Redis' certificate; not set for a public authority."""

    redis_url: SecretStr
    """URL of Redis with the password: `redis://`, or `rediss://` for TLS."""

    @field_validator("redis_url")
    @classmethod
    def _validate_redis_url(cls, url: SecretStr, info: ValidationInfo) -> SecretStr:
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in {"redis", "rediss"} or not parts.netloc:
            raise ValueError("must begin with redis:// or rediss://")
        if parts.scheme != "rediss" and info.data.get("redis_tls"):
            raise ValueError("must begin with rediss://, because connections to Redis must use TLS")
        for name, _ in parse_qsl(parts.query, keep_blank_values=True):
            if name.startswith("ssl_"):  # the client would prefer it to the options below
                raise ValueError(f"must not contain {name}: the certificate is always verified")
        return url

    def build_redis_options(self) -> dict[str, Any]:
        """Return the options of the Redis client for TLS; none without TLS."""
        if not self.redis_url.get_secret_value().startswith("rediss:"):
            return {}
        return {
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": True,
            "ssl_ca_certs": self.redis_ca_file and str(self.redis_ca_file),
        }
