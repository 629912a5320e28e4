"""What the installer changes, for each way in which Open WebUI can differ from what is wanted."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from webui_install.plan import (
    Activate,
    CreateFunction,
    CreateModel,
    Seen,
    SeenFunction,
    SeenModel,
    SetAccess,
    SetValves,
    UpdateFunction,
    UpdateModel,
    plan,
)
from webui_install.settings import Settings
from webui_install.wanted import BASE, ERASURE, EVENTS, PIPE, Wanted, wanted

SETTINGS: dict[str, Any] = {
    "url": "http://open-webui",
    "admin_email": "admin@tenantry.example",
    "admin_password": SecretStr("a-password"),
    "gateway_url": "http://gateway",
    "n8n_url": "http://n8n",
    "file_sync_url": "http://file-sync",
    "hint_secret": SecretStr("a-secret-that-is-long"),
}
WANTED = wanted(Settings(**SETTINGS))


def as_wanted(want: Wanted = WANTED) -> Seen:
    """Return an Open WebUI in which everything is as wanted, with what Open WebUI adds itself."""
    functions = {
        each.id: SeenFunction(each.name, each.description, each.content, is_active=True, valves=each.valves)
        for each in want.functions
    }
    models = {
        each.id: SeenModel(
            each.base_model_id,
            each.name,
            {**each.meta, "profile_image_url": None},
            each.grants,
            is_active=each.is_active,
        )
        for each in want.models
    }
    return Seen(functions, models)


def with_function(**changed: Any) -> Seen:
    seen = as_wanted()
    return replace(seen, functions={**seen.functions, PIPE: replace(seen.functions[PIPE], **changed)})


def with_model(**changed: Any) -> Seen:
    seen = as_wanted()
    return replace(seen, models={**seen.models, PIPE: replace(seen.models[PIPE], **changed)})


def names(seen: Seen) -> list[str]:
    return [type(change).__name__ for change in plan(WANTED, seen)]


def test_nothing_is_to_be_done_when_all_is_as_wanted() -> None:
    assert plan(WANTED, as_wanted()) == []


def test_into_an_empty_open_webui_everything_goes_valves_before_activation() -> None:
    pipe, events, erasure = WANTED.functions
    base, model = WANTED.models
    assert plan(WANTED, Seen()) == [
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
    assert plan(WANTED, with_function(**changed)) == [UpdateFunction(WANTED.functions[0])]


def test_a_function_that_is_off_is_switched_on() -> None:
    assert plan(WANTED, with_function(is_active=False)) == [Activate(PIPE)]


@pytest.mark.parametrize("valves", [{}, {"gateway_url": "http://elsewhere"}])
def test_valves_of_ours_are_set_and_others_kept(valves: dict[str, Any]) -> None:
    seen = with_function(valves={**valves, "timeout_seconds": 7})
    want = {**WANTED.functions[0].valves, "timeout_seconds": 7}
    assert plan(WANTED, seen) == [SetValves(PIPE, want)]


@pytest.mark.parametrize(
    "changed",
    [
        {"base_model_id": None},
        {"name": "Mine"},
        {"is_active": True},
        {"meta": {}},
        {"meta": {**WANTED.models[1].meta, "capabilities": {"file_context": True}}},
    ],
)
def test_a_record_that_differs_is_updated(changed: dict[str, Any]) -> None:
    assert plan(WANTED, with_model(**changed)) == [UpdateModel(WANTED.models[1])]


@pytest.mark.parametrize(
    "grants", [set(), {("user", "*", "read"), ("user", "*", "write")}, {("group", "g", "read")}]
)
def test_access_that_was_widened_or_narrowed_is_set(grants: set[tuple[str, str, str]]) -> None:
    assert plan(WANTED, with_model(grants=frozenset(grants))) == [SetAccess(WANTED.models[1])]


def test_what_is_others_is_not_looked_at() -> None:
    seen = as_wanted()
    other = SeenFunction("Other", "", "", is_active=False)
    assert plan(WANTED, replace(seen, functions={**seen.functions, "other": other})) == []


def test_the_pipes_record_stands_on_one_that_is_no_model() -> None:
    base, model = WANTED.models
    assert (base.id, base.base_model_id) == (BASE, None)
    assert (model.id, model.base_model_id) == (PIPE, BASE)
    assert base.id not in {function.id for function in WANTED.functions}
    assert not base.is_active
    assert not model.is_active


def test_secrets_are_not_in_the_words_of_a_change() -> None:
    assert "a-secret" not in repr(plan(WANTED, Seen())[4])


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
        Settings(**{**SETTINGS, **wrong})


def test_direct_needs_no_n8n() -> None:
    settings = Settings(**{**SETTINGS, "n8n_url": "", "orchestrator": "direct"})
    assert wanted(settings).functions[0].valves["orchestrator"] == "direct"
