"""Tests of the model ids and of the errors for unknown ones."""

import boto3
import pytest
from tenantry_local.standins.bedrock.errors import (
    BedrockError,
    ResourceNotFoundException,
    ValidationException,
)
from tenantry_local.standins.bedrock.models import require_chat, require_embedding

from tests.support.programs.standins import Standin

PROFILE = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-6"
OWN_PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"


@pytest.mark.parametrize(
    "model",
    [
        "us.anthropic.claude-sonnet-4-6",
        "global.anthropic.claude-sonnet-5-5",
        "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
        "amazon.nova-lite-v1:0",
        "us.amazon.nova-lite-v1:0",
        "us.meta.llama4-maverick-17b-instruct-v1:0",
        "mistral.mistral-large-2407-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
        PROFILE,
        OWN_PROFILE,
    ],
)
def test_current_models_accept_chats(model: str) -> None:
    require_chat(model)


@pytest.mark.parametrize(
    "model", ["anthropic.claude-sonnet-4-6", "meta.llama3-3-70b-instruct-v1:0", "amazon.nova-premier-v1:0"]
)
def test_models_without_on_demand_throughput_need_an_inference_profile(model: str) -> None:
    sentence = f"Invocation of model ID {model} with on-demand throughput isn\u2019t supported"
    with pytest.raises(ValidationException, match=sentence):
        require_chat(model)


@pytest.mark.parametrize(
    "model",
    [
        "anthropic.claude-3-sonnet-20240229-v1:0",
        "us.anthropic.claude-3-5-sonnet-20241022-v2:0",
        "anthropic.claude-3-haiku-20240307-v1:0",
        "us.anthropic.claude-sonnet-4-20250514-v1:0",
        "amazon.titan-text-express-v1",
    ],
)
def test_retired_models_have_reached_their_end(model: str) -> None:
    with pytest.raises(ResourceNotFoundException, match="reached the end of its life"):
        require_chat(model)
    with pytest.raises(ResourceNotFoundException, match="reached the end of its life"):
        require_embedding(model)


@pytest.mark.parametrize("model", ["nonsense", "us.nonsense", "anthropic.claude-sonnet-9", ""])
def test_unknown_models_are_invalid(model: str) -> None:
    for require in (require_chat, require_embedding):
        with pytest.raises(ValidationException, match=r"The provided model identifier is invalid\."):
            require(model)


def test_chat_and_embedding_models_are_not_interchangeable() -> None:
    with pytest.raises(BedrockError, match="doesn't support the model"):
        require_chat("amazon.titan-embed-text-v2:0")
    with pytest.raises(BedrockError, match="through Converse only"):
        require_embedding("us.anthropic.claude-sonnet-4-6")


def test_a_profile_of_an_embedding_model_resolves_to_the_model() -> None:
    assert require_embedding("us.cohere.embed-v4:0") == "cohere.embed-v4:0"


def test_a_model_and_the_model_of_a_profile_are_described(standin: Standin) -> None:
    client = boto3.client(
        "bedrock",
        endpoint_url=standin.url,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    profile = client.get_inference_profile(inferenceProfileIdentifier="us.anthropic.claude-sonnet-4-6")
    (model,) = profile["models"]
    name = model["modelArn"].rpartition("/")[2]
    for known in (name, "amazon.titan-embed-text-v2:0"):
        details = client.get_foundation_model(modelIdentifier=known)["modelDetails"]
        assert (details["modelId"], details["modelLifecycle"]["status"]) == (known, "ACTIVE")
    with pytest.raises(client.exceptions.ValidationException):
        client.get_foundation_model(modelIdentifier="us.anthropic.claude-sonnet-4-6")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_inference_profile(inferenceProfileIdentifier=name)
