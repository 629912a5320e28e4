"""Desired workflows: this package's JSON files, with the gateway's address in place of a placeholder.

Each installation has another address. This module inserts the address, because nodes cannot read n8n's
environment (``N8N_BLOCK_ENV_ACCESS_IN_NODE``).
"""

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

__all__ = ["FILES", "PLACEHOLDER", "WEBHOOKS", "Workflow", "load_workflows"]

FILES = ("errors.json", "upload.json", "chat.json")
"""Files in the order of their import: the later workflows refer to the error workflow."""

PLACEHOLDER = "@GATEWAY_URL@"

WEBHOOKS = ("tenantry/upload", "tenantry/chat")
"""Paths below ``/webhook/`` that must answer."""


@dataclass(frozen=True)
class Workflow:
    """One workflow of Tenantry.

    Parameters
    ----------
    id
        Id of the workflow in n8n, which never changes.
    content
        ``name``, ``description``, ``nodes``, ``connections``, ``settings`` and ``pinData``, as n8n has them.
    """

    id: str
    content: dict[str, Any]

    @property
    def name(self) -> str:
        """Name that n8n shows."""
        return str(self.content["name"])


def load_workflows(gateway_url: str) -> list[Workflow]:
    """Return the workflows with an installation's gateway address.

    Parameters
    ----------
    gateway_url
        The gateway's base URL; a trailing slash is ignored.
    """
    folder = files(__package__) / "workflows"
    return [
        _build_workflow(json.loads((folder / file).read_text()), gateway_url.rstrip("/")) for file in FILES
    ]


def _build_workflow(data: dict[str, Any], gateway_url: str) -> Workflow:
    content = {key: value for key, value in data.items() if key != "id"}
    for node in content["nodes"]:
        if "url" in node["parameters"]:
            node["parameters"]["url"] = node["parameters"]["url"].replace(PLACEHOLDER, gateway_url)
    return Workflow(data["id"], content)
