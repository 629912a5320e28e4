"""What differs between what there shall be and what there is: a pure comparison."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .wanted import Wanted, WantedFunction, WantedModel

__all__ = [
    "Activate",
    "Change",
    "CreateFunction",
    "CreateModel",
    "Seen",
    "SeenFunction",
    "SeenModel",
    "SetAccess",
    "SetValves",
    "UpdateFunction",
    "UpdateModel",
    "plan",
]


@dataclass(frozen=True)
class SeenFunction:
    """A function as it is."""

    name: str
    description: str
    content: str
    is_active: bool
    valves: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SeenModel:
    """A model's record as it is."""

    base_model_id: str | None
    name: str
    meta: Mapping[str, Any]
    grants: frozenset[tuple[str, str, str]]
    is_active: bool


@dataclass(frozen=True)
class Seen:
    """What of ours is there, by id."""

    functions: Mapping[str, SeenFunction] = field(default_factory=dict)
    models: Mapping[str, SeenModel] = field(default_factory=dict)


@dataclass(frozen=True)
class CreateFunction:
    """Make a function; it is not active then."""

    function: WantedFunction


@dataclass(frozen=True)
class UpdateFunction:
    """Give a function its text, name and description."""

    function: WantedFunction


@dataclass(frozen=True)
class SetValves:
    """Replace all valves of a function."""

    function_id: str
    valves: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Activate:
    """Switch a function on. The call behind it switches, whatever the state: never make it twice."""

    function_id: str


@dataclass(frozen=True)
class CreateModel:
    """Make a model's record, its grants with it."""

    model: WantedModel


@dataclass(frozen=True)
class UpdateModel:
    """Give a model's record its name, base and description."""

    model: WantedModel


@dataclass(frozen=True)
class SetAccess:
    """Replace all grants of a model."""

    model: WantedModel


Change = CreateFunction | UpdateFunction | SetValves | Activate | CreateModel | UpdateModel | SetAccess


def plan(wanted: Wanted, seen: Seen) -> list[Change]:
    """Return the changes that are to be made, in their order; none when everything is as wanted.

    A function gets its valves before it is switched on, so that nobody meets it without them.
    """
    changes: list[Change] = []
    for function in wanted.functions:
        changes += _function(function, seen.functions.get(function.id))
    for model in wanted.models:
        changes += _model(model, seen.models.get(model.id))
    return changes


def _function(wanted: WantedFunction, seen: SeenFunction | None) -> list[Change]:
    changes: list[Change] = []
    if seen is None:
        changes.append(CreateFunction(wanted))
    elif (seen.name, seen.description, seen.content) != (wanted.name, wanted.description, wanted.content):
        changes.append(UpdateFunction(wanted))
    valves = seen.valves if seen else {}
    if not wanted.valves.items() <= valves.items():
        changes.append(SetValves(wanted.id, {**valves, **wanted.valves}))
    if seen is None or not seen.is_active:
        changes.append(Activate(wanted.id))
    return changes


def _model(wanted: WantedModel, seen: SeenModel | None) -> list[Change]:
    if seen is None:
        return [CreateModel(wanted)]
    changes: list[Change] = []
    meta = {key: seen.meta.get(key) for key in wanted.meta}
    is_same = (seen.base_model_id, seen.name, seen.is_active, meta) == (
        wanted.base_model_id,
        wanted.name,
        wanted.is_active,
        dict(wanted.meta),
    )
    if not is_same:
        changes.append(UpdateModel(wanted))
    if seen.grants != wanted.grants:
        changes.append(SetAccess(wanted))
    return changes
