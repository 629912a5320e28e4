"""Tests of the plan of changes to n8n: one case for each observed state."""

import copy
from typing import Any

import pytest
from n8n_install.plan import ChangeAction, list_differences, plan
from n8n_install.workflows import Workflow

DESIRED = Workflow(
    "TenantryUpload01",
    {
        "name": "Upload",
        "description": "What it does.",
        "nodes": [{"id": "1", "name": "Check", "parameters": {"path": "a"}}],
        "connections": {"Check": {"main": [[]]}},
        "settings": {"saveDataErrorExecution": "none", "executionTimeout": 60},
        "pinData": {},
    },
)
OTHER = Workflow("TenantryChatRag1", DESIRED.content | {"name": "Chat"})


def make_observed_workflow(workflow: Workflow = DESIRED, **changes: Any) -> dict[str, Any]:
    """Return the imported and published workflow as n8n returns it."""
    live = {"versionId": "v1", "activeVersionId": "v1", "isArchived": False, "id": workflow.id}
    return copy.deepcopy(workflow.content) | live | changes


def plan_actions(observed: dict[str, Any] | None) -> list[ChangeAction]:
    return [change.action for change in plan([DESIRED], {DESIRED.id: observed})]


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        pytest.param(None, [ChangeAction.CREATE, ChangeAction.PUBLISH], id="missing"),
        pytest.param(make_observed_workflow(), [], id="as-desired"),
        pytest.param(make_observed_workflow(pinData=None), [], id="no-pinned-data-is-none"),
        pytest.param(make_observed_workflow(activeVersionId=None), [ChangeAction.PUBLISH], id="switched-off"),
        pytest.param(
            make_observed_workflow(versionId="v2"), [ChangeAction.PUBLISH], id="an-older-version-is-live"
        ),
        pytest.param(
            make_observed_workflow(name="Mine"), [ChangeAction.UPDATE, ChangeAction.PUBLISH], id="renamed"
        ),
        pytest.param(
            make_observed_workflow(nodes=[]), [ChangeAction.UPDATE, ChangeAction.PUBLISH], id="nodes-changed"
        ),
        pytest.param(
            make_observed_workflow(connections={}),
            [ChangeAction.UPDATE, ChangeAction.PUBLISH],
            id="connections-changed",
        ),
        pytest.param(
            make_observed_workflow(description=None),
            [ChangeAction.UPDATE, ChangeAction.PUBLISH],
            id="description-gone",
        ),
        pytest.param(
            make_observed_workflow(pinData={"Check": [{}]}),
            [ChangeAction.UPDATE, ChangeAction.PUBLISH],
            id="data-pinned",
        ),
        pytest.param(
            make_observed_workflow(settings=None),
            [ChangeAction.UPDATE, ChangeAction.PUBLISH],
            id="settings-gone",
        ),
        pytest.param(
            make_observed_workflow(isArchived=True, activeVersionId=None),
            [ChangeAction.UNARCHIVE, ChangeAction.PUBLISH],
            id="archived",
        ),
        pytest.param(
            make_observed_workflow(isArchived=True, activeVersionId=None, nodes=[]),
            [ChangeAction.UNARCHIVE, ChangeAction.UPDATE, ChangeAction.PUBLISH],
            id="archived-and-changed",
        ),
    ],
)
def test_plan_contains_only_the_needed_actions(
    observed: dict[str, Any] | None, expected: list[ChangeAction]
) -> None:
    assert plan_actions(observed) == expected


def test_other_settings_are_ignored() -> None:
    assert not plan_actions(
        make_observed_workflow(settings=DESIRED.content["settings"] | {"timezone": "Europe/Berlin"})
    )


def test_changed_setting_is_a_difference() -> None:
    changed = make_observed_workflow(settings={"saveDataErrorExecution": "all", "executionTimeout": 60})
    assert list_differences(DESIRED, changed) == ("settings.saveDataErrorExecution",)


def test_changed_nested_parameter_is_a_difference() -> None:
    changed = make_observed_workflow()
    changed["nodes"][0]["parameters"]["path"] = "b"
    assert list_differences(DESIRED, changed) == ("nodes",)


def test_changes_follow_the_order_of_the_workflows() -> None:
    changes = plan([DESIRED, OTHER], {DESIRED.id: None, OTHER.id: make_observed_workflow(OTHER, nodes=[])})
    assert [(change.workflow.id, change.action) for change in changes] == [
        (DESIRED.id, ChangeAction.CREATE),
        (DESIRED.id, ChangeAction.PUBLISH),
        (OTHER.id, ChangeAction.UPDATE),
        (OTHER.id, ChangeAction.PUBLISH),
    ]


def test_plan_is_empty_when_nothing_differs() -> None:
    assert not plan(
        [DESIRED, OTHER], {DESIRED.id: make_observed_workflow(), OTHER.id: make_observed_workflow(OTHER)}
    )
