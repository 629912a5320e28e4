"""Desired state of Open WebUI: three functions and two model records.

The operator's part ``workspace`` manages the persona models that users see. Their base is the model
``tenantry``.

A user may use a model only with the right to read its base model, here the pipe. But the pipe without a
persona must not appear in the users' lists of models. The list shows a pipe only through a record without a
base; rights come from all records. So the pipe's record names a base that has a record but no model. Then the
pipe's record grants the right and is in no list, and a direct question to the pipe fails.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from .settings import WebUIInstallSettings

__all__ = [
    "BASE",
    "ERASURE",
    "EVENTS",
    "PIPE",
    "DesiredFunction",
    "DesiredModel",
    "DesiredState",
    "build_desired_state",
]

PIPE = "tenantry"
"""Id of the pipe, and of the base model of the persona models."""

EVENTS = "tenantry_events"
"""Id of the event function."""

ERASURE = "tenantry_erasure"
"""Id of the action that the operator calls when a Tenant is deleted with all its data."""

BASE = "tenantry_base"
"""Id of the base that the pipe's record names. No model has this id."""

ALL_USERS: tuple[tuple[str, str, str], ...] = (("user", "*", "read"),)
"""Grants as principal type, principal id and permission."""

CAPABILITIES = {"file_context": False}
"""Capabilities of a model. With ``file_context``, Open WebUI would write attached files' text into the
question."""


@dataclass(frozen=True)
class DesiredFunction:
    """Desired function. Valves that ``valves`` does not name keep their values."""

    id: str
    name: str
    description: str
    content: str
    valves: Mapping[str, Any]

    @property
    def version(self) -> str:
        """Version of the function, from the header of its source."""
        return _read_header(self.content, "version")


@dataclass(frozen=True)
class DesiredModel:
    """Desired model record."""

    id: str
    base_model_id: str | None
    name: str
    meta: Mapping[str, Any]
    grants: frozenset[tuple[str, str, str]] = frozenset(ALL_USERS)
    is_active: bool = False


@dataclass(frozen=True)
class DesiredState:
    """Functions and model records that the installer manages."""

    functions: list[DesiredFunction] = field(default_factory=list)
    models: list[DesiredModel] = field(default_factory=list)


def build_desired_state(settings: WebUIInstallSettings) -> DesiredState:
    """Return the desired state for the settings."""
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
        "description": "Base of the persona models; not for direct use.",
        "hidden": True,
        "capabilities": CAPABILITIES,
    }
    return DesiredState(
        functions=[_load_function(PIPE, pipe), _load_function(EVENTS, events), _load_function(ERASURE, {})],
        models=[
            DesiredModel(BASE, None, "Tenantry (access right)", meta),
            DesiredModel(PIPE, BASE, "Tenantry (base of the personas)", meta),
        ],
    )


def _load_function(function_id: str, valves: Mapping[str, Any]) -> DesiredFunction:
    content = files(f"{__package__}.functions").joinpath(f"{function_id}.py").read_text()
    return DesiredFunction(
        function_id, _read_header(content, "title"), _read_header(content, "description"), content, valves
    )


def _read_header(content: str, key: str) -> str:
    """Return the value of a key in a function's header, which Open WebUI reads as well."""
    match = re.search(rf"^{key}: (.+)$", content, re.MULTILINE)
    if match is None:
        raise ValueError(f"the header of a function of Open WebUI must contain {key}")
    return match[1]
