"""What there shall be in Open WebUI: three functions, and what makes the pipe a base and no model of its own.

The persona models that people see are the operator's (its part ``workspace``); they stand on the model
``tenantry``.

Open WebUI lets a person use a model only if the person may also read the model it stands on, and lists every
model that a person may read. The bare pipe is not to be listed. What counts for the list are the records
whose base is empty; what counts for the right to use are all records. So the pipe's record names a base
itself, which has a record and no model: it grants the right, is in no list, and to ask it directly fails,
because its own base is no model.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from .settings import Settings

__all__ = ["BASE", "ERASURE", "EVENTS", "PIPE", "Wanted", "WantedFunction", "WantedModel", "wanted"]

PIPE = "tenantry"
"""Id of the pipe, and of the model that personas' models stand on."""

EVENTS = "tenantry_events"
"""Id of the event function."""

ERASURE = "tenantry_erasure"
"""Id of the action that the operator calls when a Tenant is deleted with all its data."""

BASE = "tenantry_base"
"""Id of the record that the pipe's record stands on. There is no such model."""

EVERYBODY: tuple[tuple[str, str, str], ...] = (("user", "*", "read"),)
"""Kind of principal, principal, permission."""

CAPABILITIES = {"file_context": False}
"""Open WebUI would else write the full text of attached files into the question."""


@dataclass(frozen=True)
class WantedFunction:
    """A function as it shall be. Of its valves only these are ours; others are left as they are."""

    id: str
    name: str
    description: str
    content: str
    valves: Mapping[str, Any]

    @property
    def version(self) -> str:
        """The version that its head names."""
        return _head(self.content, "version")


@dataclass(frozen=True)
class WantedModel:
    """A model's record as it shall be."""

    id: str
    base_model_id: str | None
    name: str
    meta: Mapping[str, Any]
    grants: frozenset[tuple[str, str, str]] = frozenset(EVERYBODY)
    is_active: bool = False


@dataclass(frozen=True)
class Wanted:
    """Everything that the installer looks after."""

    functions: list[WantedFunction] = field(default_factory=list)
    models: list[WantedModel] = field(default_factory=list)


def wanted(settings: Settings) -> Wanted:
    """Return what there shall be."""
    pipe = {
        "gateway_url": settings.gateway_url,
        "n8n_url": settings.n8n_url,
        "file_sync_url": settings.file_sync_url,
        "orchestrator": settings.orchestrator,
    }
    events = {
        "gateway_url": settings.gateway_url,
        "file_sync_url": settings.file_sync_url,
        "hint_secret": settings.hint_secret.get_secret_value(),
    }
    meta = {
        "description": "The base of the personas' models; not to be asked itself.",
        "hidden": True,
        "capabilities": CAPABILITIES,
    }
    return Wanted(
        functions=[_function(PIPE, pipe), _function(EVENTS, events), _function(ERASURE, {})],
        models=[
            WantedModel(BASE, None, "Tenantry (nothing but a right)", meta),
            WantedModel(PIPE, BASE, "Tenantry (base of the personas)", meta),
        ],
    )


def _function(function_id: str, valves: Mapping[str, Any]) -> WantedFunction:
    content = files(f"{__package__}.functions").joinpath(f"{function_id}.py").read_text()
    return WantedFunction(
        function_id, _head(content, "title"), _head(content, "description"), content, valves
    )


def _head(content: str, key: str) -> str:
    """Return what a function's head, as Open WebUI reads it, says under a key."""
    match = re.search(rf"^{key}: (.+)$", content, re.MULTILINE)
    if match is None:
        raise ValueError(f"a function of Open WebUI must say its {key} at its head")
    return match[1]
