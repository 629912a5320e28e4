"""The workflows as they are to be: the JSON beside this module, with the gateway's address filled in.

The address is filled in here because n8n lets no node read its environment
(``N8N_BLOCK_ENV_ACCESS_IN_NODE``), and a workflow that names a host would be right in one installation only.
"""

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

__all__ = ["FILES", "PLACEHOLDER", "WEBHOOKS", "Workflow", "load"]

FILES = ("errors.json", "upload.json", "chat.json")
"""In the order in which they are imported: the others name the workflow for errors."""

PLACEHOLDER = "@GATEWAY_URL@"

WEBHOOKS = ("tenantry/upload", "tenantry/chat")
"""Paths below ``/webhook/`` that must answer."""


@dataclass(frozen=True)
class Workflow:
    """One workflow of ours.

    Parameters
    ----------
    id
        Its id in n8n: always the same, so it is known again under any name.
    content
        ``name``, ``description``, ``nodes``, ``connections``, ``settings`` and ``pinData``, as n8n has them.
    """

    id: str
    content: dict[str, Any]

    @property
    def name(self) -> str:
        """What people call it."""
        return str(self.content["name"])


def load(gateway_url: str) -> list[Workflow]:
    """Return the workflows for one installation.

    Parameters
    ----------
    gateway_url
        The gateway's base URL; a closing slash does not matter.
    """
    folder = files(__package__) / "workflows"
    return [_fill(json.loads((folder / file).read_text()), gateway_url.rstrip("/")) for file in FILES]


def _fill(data: dict[str, Any], gateway_url: str) -> Workflow:
    content = {key: value for key, value in data.items() if key != "id"}
    for node in content["nodes"]:
        if "url" in node["parameters"]:
            node["parameters"]["url"] = node["parameters"]["url"].replace(PLACEHOLDER, gateway_url)
    return Workflow(data["id"], content)
