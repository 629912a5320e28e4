"""Tests of the plan of changes to Open WebUI: one case for each difference from the desired state."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from webui_install.desired import BASE, ERASURE, EVENTS, PIPE, DesiredState, build_desired_state
from webui_install.plan import (
    Activate,
    CreateFunction,
    CreateModel,
    ObservedFunction,
    ObservedModel,
    ObservedState,
    SetAccess,
    SetValves,
    UpdateFunction,
    UpdateModel,
    plan,
)
from webui_install.settings import WebUIInstallSettings

SETTINGS: dict[str, Any] = {
    "url": "http://open-webui",
    "admin_email": "admin@tenantry.example",
    "admin_password": SecretStr("a-password"),
    "gateway_url": "http://gateway",
    "n8n_url": "http://n8n",
    "file_sync_url": "http://file-sync",
    "hint_secret": SecretStr("a-secret-that-is-long"),
}
DESIRED = build_desired_state(WebUIInstallSettings(**SETTINGS))


def make_settled_state(desired: DesiredState = DESIRED) -> ObservedState:
    """Return an observed state without differences, with fields that Open WebUI adds."""
    functions = {
        each.id: ObservedFunction(
            each.name, each.description, each.content, is_active=True, valves=each.valves
        )
        for each in desired.functions
    }
    models = {
        each.id: ObservedModel(
            each.base_model_id,
            each.name,
            {**each.meta, "profile_image_url": None},
            each.grants,
            is_active=each.is_active,
        )
        for each in desired.models
    }
    return ObservedState(functions, models)


def make_state_with_function(**changed: Any) -> ObservedState:
    observed = make_settled_state()
    return replace(
        observed, functions={**observed.functions, PIPE: replace(observed.functions[PIPE], **changed)}
    )


def make_state_with_model(**changed: Any) -> ObservedState:
    observed = make_settled_state()
    return replace(observed, models={**observed.models, PIPE: replace(observed.models[PIPE], **changed)})


def list_names(observed: ObservedState) -> list[str]:
    return [type(change).__name__ for change in plan(DESIRED, observed)]


def test_no_changes_when_nothing_differs() -> None:
    assert plan(DESIRED, make_settled_state()) == []


def test_empty_open_webui_gets_everything_with_valves_before_activation() -> None:
    pipe, events, erasure = DESIRED.functions
    base, model = DESIRED.models
    assert plan(DESIRED, ObservedState()) == [
        CreateFunction(pipe),
        SetValves(PIPE, dict(pipe.valves)),
        Activate(PIPE),
        CreateFunction(events),
        SetValves(EVENTS, dict(events.valves)),
        Activate(EVENTS),
        CreateFunction(erasure),
        Activate(ERASURE),
        CreateModel(base),
        CreateModel(model),
    ]


@pytest.mark.parametrize(
    "changed",
    [{"content": "an older one"}, {"name": "Mine"}, {"description": ""}],
    ids=lambda each: next(iter(each)),
)
def test_a_function_that_differs_is_updated_and_stays_active(changed: dict[str, Any]) -> None:
    assert plan(DESIRED, make_state_with_function(**changed)) == [UpdateFunction(DESIRED.functions[0])]


def test_inactive_function_is_activated() -> None:
    assert plan(DESIRED, make_state_with_function(is_active=False)) == [Activate(PIPE)]


@pytest.mark.parametrize("valves", [{}, {"gateway_url": "http://elsewhere"}])
def test_desired_valves_are_set_and_others_kept(valves: dict[str, Any]) -> None:
    observed = make_state_with_function(valves={**valves, "answer_timeout_seconds": 7})
    expected = {**DESIRED.functions[0].valves, "answer_timeout_seconds": 7}
    assert plan(DESIRED, observed) == [SetValves(PIPE, expected)]


@pytest.mark.parametrize(
    "changed",
    [
        {"base_model_id": None},
        {"name": "Mine"},
        {"is_active": True},
        {"meta": {}},
        {"meta": {**DESIRED.models[1].meta, "capabilities": {"file_context": True}}},
    ],
)
def test_a_record_that_differs_is_updated(changed: dict[str, Any]) -> None:
    assert plan(DESIRED, make_state_with_model(**changed)) == [UpdateModel(DESIRED.models[1])]


@pytest.mark.parametrize(
    "grants", [set(), {("user", "*", "read"), ("user", "*", "write")}, {("group", "g", "read")}]
)
def test_access_that_was_widened_or_narrowed_is_set(grants: set[tuple[str, str, str]]) -> None:
    assert plan(DESIRED, make_state_with_model(grants=frozenset(grants))) == [SetAccess(DESIRED.models[1])]


def test_other_functions_are_ignored() -> None:
    observed = make_settled_state()
    other = ObservedFunction("Other", "", "", is_active=False)
    assert plan(DESIRED, replace(observed, functions={**observed.functions, "other": other})) == []


def test_base_of_the_pipes_record_is_no_model() -> None:
    base, model = DESIRED.models
    assert (base.id, base.base_model_id) == (BASE, None)
    assert (model.id, model.base_model_id) == (PIPE, BASE)
    assert base.id not in {function.id for function in DESIRED.functions}
    assert not base.is_active
    assert not model.is_active


def test_repr_of_a_change_contains_no_secret() -> None:
    assert "a-secret" not in repr(plan(DESIRED, ObservedState())[4])


@pytest.mark.parametrize(
    "wrong",
    [
        {"n8n_url": ""},
        {"url": "open-webui"},
        {"hint_secret": SecretStr("short")},
        {"orchestrator": "both"},
        {"admin_password": SecretStr("")},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WebUIInstallSettings(**{**SETTINGS, **wrong})


def test_direct_needs_no_n8n() -> None:
    settings = WebUIInstallSettings(**{**SETTINGS, "n8n_url": "", "orchestrator": "direct"})
    assert build_desired_state(settings).functions[0].valves["orchestrator"] == "direct"
