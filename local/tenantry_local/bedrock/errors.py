"""Bedrock's errors, with its names and status codes."""

from typing import ClassVar

__all__ = [
    "BedrockError",
    "InternalServerException",
    "MissingAuthenticationTokenException",
    "ModelErrorException",
    "ModelTimeoutException",
    "ResourceNotFoundException",
    "ServiceUnavailableException",
    "ThrottlingException",
    "ValidationException",
]


class BedrockError(Exception):
    """An error as Bedrock returns it: its name in ``x-amzn-ErrorType``, its message in the body."""

    status: ClassVar[int]


class ValidationException(BedrockError):  # noqa: D101 (AWS' names explain themselves)
    status = 400


class MissingAuthenticationTokenException(BedrockError):  # noqa: D101
    status = 403


class ResourceNotFoundException(BedrockError):  # noqa: D101
    status = 404


class ModelTimeoutException(BedrockError):  # noqa: D101
    status = 408


class ModelErrorException(BedrockError):  # noqa: D101
    status = 424


class ThrottlingException(BedrockError):  # noqa: D101
    status = 429


class InternalServerException(BedrockError):  # noqa: D101
    status = 500


class ServiceUnavailableException(BedrockError):  # noqa: D101
    status = 503
