"""Plan of the changes to Open WebUI: compares desired and observed state, without I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .desired import DesiredFunction, DesiredModel, DesiredState

__all__ = [
    "Activate",
    "Change",
    "CreateFunction",
    "CreateModel",
    "ObservedFunction",
    "ObservedModel",
    "ObservedState",
    "SetAccess",
    "SetValves",
    "UpdateFunction",
    "UpdateModel",
    "plan",
]


@dataclass(frozen=True)
class ObservedFunction:
    """A function in Open WebUI's database, with its valves."""

    name: str
    description: str
    content: str
    is_active: bool
    valves: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ObservedModel:
    """A model record in Open WebUI's database, with its grants."""

    base_model_id: str | None
    name: str
    meta: Mapping[str, Any]
    grants: frozenset[tuple[str, str, str]]
    is_active: bool


@dataclass(frozen=True)
class ObservedState:
    """Tenantry's functions and model records in Open WebUI, by id."""

    functions: Mapping[str, ObservedFunction] = field(default_factory=dict)
    models: Mapping[str, ObservedModel] = field(default_factory=dict)


@dataclass(frozen=True)
class CreateFunction:
    """Create a function, which is inactive until it is activated."""

    function: DesiredFunction


@dataclass(frozen=True)
class UpdateFunction:
    """Replace a function's source, name and description."""

    function: DesiredFunction


@dataclass(frozen=True)
class SetValves:
    """Replace all valves of a function."""

    function_id: str
    valves: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Activate:
    """Activate a function. The API call toggles the state, so it is never repeated."""

    function_id: str


@dataclass(frozen=True)
class CreateModel:
    """Create a model record with its grants."""

    model: DesiredModel


@dataclass(frozen=True)
class UpdateModel:
    """Replace a model record's name, base and description."""

    model: DesiredModel


@dataclass(frozen=True)
class SetAccess:
    """Replace all grants of a model."""

    model: DesiredModel


Change = CreateFunction | UpdateFunction | SetValves | Activate | CreateModel | UpdateModel | SetAccess


def plan(desired: DesiredState, observed: ObservedState) -> list[Change]:
    """Return the changes in the order in which they apply; empty if nothing differs.

    A function gets its valves before it is activated, so that it never runs without them.
    """
    changes: list[Change] = []
    for function in desired.functions:
        changes += _plan_function(function, observed.functions.get(function.id))
    for model in desired.models:
        changes += _plan_model(model, observed.models.get(model.id))
    return changes


def _plan_function(desired: DesiredFunction, observed: ObservedFunction | None) -> list[Change]:
    changes: list[Change] = []
    if observed is None:
        changes.append(CreateFunction(desired))
    elif (observed.name, observed.description, observed.content) != (
        desired.name,
        desired.description,
        desired.content,
    ):
        changes.append(UpdateFunction(desired))
    valves = observed.valves if observed else {}
    if not desired.valves.items() <= valves.items():
        changes.append(SetValves(desired.id, {**valves, **desired.valves}))
    if observed is None or not observed.is_active:
        changes.append(Activate(desired.id))
    return changes


def _plan_model(desired: DesiredModel, observed: ObservedModel | None) -> list[Change]:
    if observed is None:
        return [CreateModel(desired)]
    changes: list[Change] = []
    meta = {key: observed.meta.get(key) for key in desired.meta}
    is_same = (observed.base_model_id, observed.name, observed.is_active, meta) == (
        desired.base_model_id,
        desired.name,
        desired.is_active,
        dict(desired.meta),
    )
    if not is_same:
        changes.append(UpdateModel(desired))
    if observed.grants != desired.grants:
        changes.append(SetAccess(desired))
    return changes
