"""Settings of the Bedrock stand-in: environment variables that begin with ``BEDROCK_``."""

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

__all__ = ["BedrockSettings"]


class BedrockSettings(BaseSettings):
    """Settings of the stand-in."""

    model_config = SettingsConfigDict(env_prefix="BEDROCK_")

    forward_url: str = Field(
        "", description="Base URL of an OpenAI-compatible server that writes the answers"
    )
    forward_model: str = Field("default", description="Name of the model on that server")
    forward_api_key: SecretStr = Field(SecretStr(""), description="API key of that server; empty sends none")
    blocked_words: Annotated[str, NoDecode] = Field(
        "", description="Words that every guardrail blocks, separated by commas"
    )
