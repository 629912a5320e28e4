"""Which model ids exist here, and what Bedrock says of the others."""

from .errors import ResourceNotFoundException, ValidationException

__all__ = ["CHAT", "TITAN_V2", "require_chat", "require_embedding"]

TITAN_V2 = "amazon.titan-embed-text-v2:0"
TITAN_G1 = "amazon.titan-embed-text-v1"
COHERE = frozenset({"cohere.embed-english-v3", "cohere.embed-multilingual-v3", "cohere.embed-v4:0"})

CHAT = frozenset(
    {
        "us.anthropic.claude-sonnet-4-6",
        "global.anthropic.claude-sonnet-4-6",
        "us.anthropic.claude-sonnet-5-5",
        "global.anthropic.claude-sonnet-5-5",
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "amazon.nova-pro-v1:0",
        "amazon.nova-lite-v1:0",
        "us.amazon.nova-pro-v1:0",
        "us.meta.llama4-maverick-17b-instruct-v1:0",
        "mistral.mistral-large-2407-v1:0",
    }
)
"""Ids that answer. Claude and Llama answer through an inference profile only."""

RETIRED = frozenset(
    {
        "anthropic.claude-3-sonnet-20240229-v1:0",
        "anthropic.claude-3-5-sonnet-20240620-v1:0",
        "anthropic.claude-3-haiku-20240307-v1:0",
        "anthropic.claude-sonnet-4-20250514-v1:0",
    }
)


def require_chat(model: str) -> None:
    """Raise what Bedrock raises when Converse is called with an id that does not answer."""
    _refuse_retired(model)
    if model in CHAT:
        return
    if any(model == profile.partition(".")[2] for profile in CHAT if profile.startswith("us.")):
        raise ValidationException(
            f"Invocation of model ID {model} with on-demand throughput isn’t supported. Retry your request with "  # noqa: RUF001
            "the ID or ARN of an inference profile that contains this model."
        )
    raise ValidationException("The provided model identifier is invalid.")


def require_embedding(model: str) -> None:
    """Raise what Bedrock raises when InvokeModel is called with an id that does not embed."""
    _refuse_retired(model)
    if model not in {TITAN_V2, TITAN_G1, *COHERE}:
        raise ValidationException("The provided model identifier is invalid.")


def _refuse_retired(model: str) -> None:
    if model.removeprefix("us.") in RETIRED:
        raise ResourceNotFoundException(
            "This model version has reached the end of its life. Please refer to the AWS documentation for "
            "more details."
        )
