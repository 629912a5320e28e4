"""Bedrock's errors, with their names and status codes.

Source: the service model of ``bedrock-runtime`` in botocore. The two errors that no service model has
(missing credentials, wrong types in the body) are common to all AWS APIs.
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
    """Base class of Bedrock's errors. The class name is sent in the header ``x-amzn-ErrorType``."""

    status: ClassVar[int]


class ValidationException(BedrockError):
    """The request breaks a rule of the API or of the model."""

    status = 400


class SerializationException(BedrockError):
    """The request's body is not JSON, or a value in it has the wrong type."""

    status = 400


class MissingAuthenticationTokenException(BedrockError):
    """The request is not signed."""

    status = 403


class ResourceNotFoundException(BedrockError):
    """The named resource does not exist or has been retired."""

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
    """Bedrock cannot process the request now."""

    status = 503
