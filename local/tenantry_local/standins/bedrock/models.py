"""Model ids that the stand-in knows, and Bedrock's errors for all others."""

from typing import Any

from .errors import ResourceNotFoundException, ValidationException

__all__ = [
    "COHERE_V3",
    "COHERE_V4",
    "TITAN_G1",
    "TITAN_V2",
    "describe_model",
    "describe_profile",
    "require_chat",
    "require_embedding",
]

TITAN_V2 = "amazon.titan-embed-text-v2:0"
TITAN_G1 = "amazon.titan-embed-text-v1"
COHERE_V3 = frozenset({"cohere.embed-english-v3", "cohere.embed-multilingual-v3"})
COHERE_V4 = "cohere.embed-v4:0"

EMBEDDING = frozenset({TITAN_V2, TITAN_G1, COHERE_V4, *COHERE_V3})

CHAT = {
    "amazon.nova-micro-v1:0": True,
    "amazon.nova-lite-v1:0": True,
    "amazon.nova-pro-v1:0": True,
    "amazon.nova-premier-v1:0": False,
    "amazon.nova-2-lite-v1:0": False,
    "anthropic.claude-haiku-4-5-20251001-v1:0": False,
    "anthropic.claude-sonnet-4-5-20250929-v1:0": False,
    "anthropic.claude-sonnet-4-6": False,
    "anthropic.claude-sonnet-5-5": False,
    "anthropic.claude-opus-4-5-20251101-v1:0": False,
    "meta.llama3-8b-instruct-v1:0": True,
    "meta.llama3-70b-instruct-v1:0": True,
    "meta.llama3-3-70b-instruct-v1:0": False,
    "meta.llama4-maverick-17b-instruct-v1:0": False,
    "meta.llama4-scout-17b-instruct-v1:0": False,
    "mistral.mistral-large-2407-v1:0": True,
    "mistral.mistral-small-2402-v1:0": True,
    "mistral.pixtral-large-2502-v1:0": False,
}
"""Chat models; true if they accept requests by model id, false if only through an inference profile."""

PROFILES = frozenset({"apac", "au", "ca", "eu", "global", "jp", "us", "us-gov"})
"""Prefixes of inference profiles, as in ``us.anthropic.claude-sonnet-4-6``."""

RETIRED = (
    "anthropic.claude-3-",
    "anthropic.claude-instant-",
    "anthropic.claude-sonnet-4-20250514-",
    "anthropic.claude-v2",
    "amazon.titan-text-",
)
"""Prefixes of model ids that have reached their end of life by autumn 2026."""


def require_chat(model_id: str) -> None:
    """Accept the id or ARN of a chat model for Converse.

    Raises
    ------
    ResourceNotFoundException
        The model has been retired.
    ValidationException
        The model does not exist, is no chat model, or needs an inference profile.
    """
    if ":application-inference-profile/" in model_id:
        return  # an account's own profile, whose id does not contain the model
    base, profile = _resolve(model_id)
    if base in EMBEDDING:
        raise ValidationException(
            "This action doesn't support the model that you provided. Try again with a supported text or "
            "chat model."
        )
    if base not in CHAT:
        raise ValidationException("The provided model identifier is invalid.")
    if not (profile or CHAT[base]):
        raise ValidationException(
            f"Invocation of model ID {model_id} with on-demand throughput isn\u2019t supported. Retry your "
            "request with the ID or ARN of an inference profile that contains this model."
        )


def require_embedding(model_id: str) -> str:
    """Return the id of an embedding model for InvokeModel, without the region of a profile.

    Raises
    ------
    ResourceNotFoundException
        The model has been retired.
    ValidationException
        The model does not exist or is no embedding model; chat models work through Converse only.
    """
    base, _ = _resolve(model_id)
    if base in CHAT:
        raise ValidationException(f"This stand-in serves {model_id} through Converse only.")
    if base not in EMBEDDING:
        raise ValidationException("The provided model identifier is invalid.")
    return base


def describe_model(model_id: str) -> dict[str, Any]:
    """Return the reply to GetFoundationModel.

    Raises
    ------
    ResourceNotFoundException
        The model has been retired.
    ValidationException
        The model does not exist, or the id is one of an inference profile.
    """
    base, profile = _resolve(model_id)
    if profile or base not in EMBEDDING | CHAT.keys():
        raise ValidationException("The provided model identifier is invalid.")
    return {
        "modelDetails": {
            "modelArn": _build_arn(base),
            "modelId": base,
            "modelLifecycle": {"status": "ACTIVE"},
        }
    }


def describe_profile(profile_id: str) -> dict[str, Any]:
    """Return the reply to GetInferenceProfile.

    Raises
    ------
    ResourceNotFoundException
        There is no such profile, or its model has been retired.
    """
    base, profile = _resolve(profile_id)
    if not profile or base not in CHAT:
        raise ResourceNotFoundException("Could not find the inference profile.")
    return {
        "inferenceProfileName": base,
        "inferenceProfileArn": f"arn:aws:bedrock:us-east-1:000000000000:inference-profile/{profile_id}",
        "inferenceProfileId": profile_id,
        "models": [{"modelArn": _build_arn(base)}],
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
    }


def _build_arn(model_id: str) -> str:
    return f"arn:aws:bedrock:us-east-1::foundation-model/{model_id}"


def _resolve(model_id: str) -> tuple[str, bool]:
    """Return the model's id, and True if it came with the region of an inference profile."""
    plain = model_id.rpartition("/")[2] if model_id.startswith("arn:") else model_id
    region, _, rest = plain.partition(".")
    base, profile = (rest, True) if region in PROFILES else (plain, False)
    if base.startswith(RETIRED):
        raise ResourceNotFoundException(
            "This model version has reached the end of its life. Please refer to the AWS documentation for "
            "more details."
        )
    return base, profile
