"""Which model ids exist here, and what Bedrock says of the others."""

from .errors import ResourceNotFoundException, ValidationException

__all__ = ["COHERE_V3", "COHERE_V4", "TITAN_G1", "TITAN_V2", "require_chat", "require_embedding"]

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
"""Models that answer, and whether by their bare id: the others only through an inference profile."""

PROFILES = frozenset({"apac", "au", "ca", "eu", "global", "jp", "us", "us-gov"})
"""Regions of inference profiles: ``us.anthropic.claude-sonnet-4-6``."""

RETIRED = (
    "anthropic.claude-3-",
    "anthropic.claude-instant-",
    "anthropic.claude-sonnet-4-20250514-",
    "anthropic.claude-v2",
    "amazon.titan-text-",
)
"""How ids begin that have reached their end of life by autumn 2026."""


def require_chat(model_id: str) -> None:
    """Return when Converse may be called with this id, or the ARN that ends in it.

    Raises
    ------
    ResourceNotFoundException
        The model has been retired.
    ValidationException
        There is none of that id, it does not chat, or it wants an inference profile.
    """
    if ":application-inference-profile/" in model_id:
        return  # an account's own profile; its id says nothing of the model
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
    """Return the id, without a profile's region, of a model that InvokeModel embeds with.

    Raises
    ------
    ResourceNotFoundException
        The model has been retired.
    ValidationException
        There is none of that id, or none that embeds: to chat, this stand-in wants Converse.
    """
    base, _ = _resolve(model_id)
    if base in CHAT:
        raise ValidationException(f"This stand-in serves {model_id} through Converse only.")
    if base not in EMBEDDING:
        raise ValidationException("The provided model identifier is invalid.")
    return base


def _resolve(model_id: str) -> tuple[str, bool]:
    """Split an id into the model's own and whether it is named through an inference profile."""
    plain = model_id.rpartition("/")[2] if model_id.startswith("arn:") else model_id
    region, _, rest = plain.partition(".")
    base, profile = (rest, True) if region in PROFILES else (plain, False)
    if base.startswith(RETIRED):
        raise ResourceNotFoundException(
            "This model version has reached the end of its life. Please refer to the AWS documentation for "
            "more details."
        )
    return base, profile
