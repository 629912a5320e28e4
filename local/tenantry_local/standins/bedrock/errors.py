"""Bedrock's errors, with its names and status codes.

Source: the service model of ``bedrock-runtime`` in botocore; the two that stand in no service model
(no credentials, a body of wrong types) are those that every AWS API gives.
"""

from typing import ClassVar

__all__ = [
    "BedrockError",
    "InternalServerException",
    "MissingAuthenticationTokenException",
    "ModelErrorException",
    "ModelTimeoutException",
    "ResourceNotFoundException",
    "SerializationException",
    "ServiceUnavailableException",
    "ThrottlingException",
    "UnknownOperationException",
    "ValidationException",
]


class BedrockError(Exception):
    """An error as Bedrock returns it: its class's name in ``x-amzn-ErrorType``, its message in the body."""

    status: ClassVar[int]


class ValidationException(BedrockError):
    """The request breaks a rule of the API or of the model."""

    status = 400


class SerializationException(BedrockError):
    """The request's body is no JSON, or a value in it is of the wrong type."""

    status = 400


class MissingAuthenticationTokenException(BedrockError):
    """The request is not signed."""

    status = 403


class ResourceNotFoundException(BedrockError):
    """What is named does not exist, or not any more."""

    status = 404


class UnknownOperationException(BedrockError):
    """There is no such operation."""

    status = 404


class ModelTimeoutException(BedrockError):
    """The model took too long."""

    status = 408


class ModelErrorException(BedrockError):
    """The model failed."""

    status = 424


class ThrottlingException(BedrockError):
    """Too many requests."""

    status = 429


class InternalServerException(BedrockError):
    """Bedrock failed."""

    status = 500


class ServiceUnavailableException(BedrockError):
    """Bedrock cannot take the request now."""

    status = 503
