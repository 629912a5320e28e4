"""Answers from an OpenAI-compatible server, when ``BEDROCK_FORWARD_URL`` names one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from .errors import ModelErrorException, ModelTimeoutException, ThrottlingException

__all__ = ["ForwardClient"]

TIMEOUT_SECONDS = 120
"""As long as a small model on a machine without a GPU may take for one answer."""


@dataclass(frozen=True)
class ForwardClient:
    """Where questions go.

    Parameters
    ----------
    url
        The server's base URL, ``/v1`` included where it has one.
    model
        The model's name there, whatever model id Bedrock's caller gave.
    api_key
        May be empty.
    """

    url: str
    model: str
    api_key: SecretStr

    def ask(self, system: list[str], messages: list[tuple[str, str]], inference: Mapping[str, Any]) -> str:
        """Return the server's answer to a conversation of (role, text).

        Raises
        ------
        ModelTimeoutException, ThrottlingException, ModelErrorException
            The server did not answer in time, has too much to do, or failed.
        """
        said = [("system", text) for text in system] + messages
        names = {"maxTokens": "max_tokens", "temperature": "temperature", "topP": "top_p"}
        options = {names[name]: value for name, value in inference.items() if name in names}
        body = {
            "model": self.model,
            "messages": [{"role": role, "content": text} for role, text in said],
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
        return _content(self.url, response)


def _content(url: str, response: httpx.Response) -> str:
    try:
        response.raise_for_status()
        return str(response.json()["choices"][0]["message"]["content"])
    except (httpx.HTTPStatusError, ValueError, LookupError, TypeError) as exc:
        raise ModelErrorException(
            f"{url} gave no answer: {response.status_code} {response.text[:200]}"
        ) from exc
