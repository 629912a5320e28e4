"""Client of an OpenAI-compatible server that writes the answers (``BEDROCK_FORWARD_URL``)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from .errors import ModelErrorException, ModelTimeoutException, ThrottlingException

__all__ = ["ForwardClient"]

TIMEOUT_SECONDS = 120
"""Timeout of an answer; long, because a small model without a GPU is slow."""


@dataclass(frozen=True)
class ForwardClient:
    """Client of an OpenAI-compatible server.

    Parameters
    ----------
    url
        Base URL of the server, with ``/v1`` if it has one.
    model
        Name of the model on that server; the model id of the Bedrock request is ignored.
    api_key
        May be empty.
    """

    url: str
    model: str
    api_key: SecretStr

    def complete(
        self, system: list[str], messages: list[tuple[str, str]], inference: Mapping[str, Any]
    ) -> str:
        """Return the server's answer to a conversation of (role, text) pairs.

        Raises
        ------
        ModelTimeoutException, ThrottlingException, ModelErrorException
            The server timed out, limits requests, or failed.
        """
        conversation = [("system", text) for text in system] + messages
        names = {"maxTokens": "max_tokens", "temperature": "temperature", "topP": "top_p"}
        options = {names[name]: value for name, value in inference.items() if name in names}
        body = {
            "model": self.model,
            "messages": [{"role": role, "content": text} for role, text in conversation],
            **options,
        }
        key = self.api_key.get_secret_value()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        url = f"{self.url.rstrip('/')}/chat/completions"
        try:
            response = httpx.post(url, json=body, headers=headers, timeout=TIMEOUT_SECONDS)
        except httpx.TimeoutException as exc:
            raise ModelTimeoutException(f"{self.url} did not answer in {TIMEOUT_SECONDS} s") from exc
        except httpx.HTTPError as exc:
            raise ModelErrorException(f"{self.url} cannot be reached: {exc}") from exc
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise ThrottlingException("Too many requests, please wait before trying again.")
        return _parse_content(self.url, response)


def _parse_content(url: str, response: httpx.Response) -> str:
    try:
        response.raise_for_status()
        return str(response.json()["choices"][0]["message"]["content"])
    except (httpx.HTTPStatusError, ValueError, LookupError, TypeError) as exc:
        raise ModelErrorException(
            f"{url} gave no answer: {response.status_code} {response.text[:200]}"
        ) from exc
