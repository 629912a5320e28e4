"""What has to be done, by what n8n has: each case in a line."""

import copy
from typing import Any

import pytest
from n8n_install.plan import Act, differences, plan
from n8n_install.workflows import Workflow

OURS = Workflow(
    "TenantryUpload01",
    {
        "name": "Upload",
        "description": "What it does.",
        "nodes": [{"id": "1", "name": "Door", "parameters": {"path": "a"}}],
        "connections": {"Door": {"main": [[]]}},
        "settings": {"saveDataErrorExecution": "none", "executionTimeout": 60},
        "pinData": {},
    },
)
OTHER = Workflow("TenantryChatRag1", OURS.content | {"name": "Chat"})


def kept(workflow: Workflow = OURS, **changes: Any) -> dict[str, Any]:
    """Return what n8n has once the workflow is imported and published."""
    live = {"versionId": "v1", "activeVersionId": "v1", "isArchived": False, "id": workflow.id}
    return copy.deepcopy(workflow.content) | live | changes


def acts(observed: dict[str, Any] | None) -> list[Act]:
    return [step.act for step in plan([OURS], {OURS.id: observed})]


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        pytest.param(None, [Act.CREATE, Act.PUBLISH], id="missing"),
        pytest.param(kept(), [], id="as-it-is-to-be"),
        pytest.param(kept(pinData=None), [], id="no-pinned-data-is-none"),
        pytest.param(kept(activeVersionId=None), [Act.PUBLISH], id="switched-off"),
        pytest.param(kept(versionId="v2"), [Act.PUBLISH], id="an-older-version-is-live"),
        pytest.param(kept(name="Mine"), [Act.UPDATE, Act.PUBLISH], id="renamed"),
        pytest.param(kept(nodes=[]), [Act.UPDATE, Act.PUBLISH], id="nodes-changed"),
        pytest.param(kept(connections={}), [Act.UPDATE, Act.PUBLISH], id="connections-changed"),
        pytest.param(kept(description=None), [Act.UPDATE, Act.PUBLISH], id="description-gone"),
        pytest.param(kept(pinData={"Door": [{}]}), [Act.UPDATE, Act.PUBLISH], id="data-pinned"),
        pytest.param(kept(settings=None), [Act.UPDATE, Act.PUBLISH], id="settings-gone"),
        pytest.param(
            kept(isArchived=True, activeVersionId=None), [Act.UNARCHIVE, Act.PUBLISH], id="archived"
        ),
        pytest.param(
            kept(isArchived=True, activeVersionId=None, nodes=[]),
            [Act.UNARCHIVE, Act.UPDATE, Act.PUBLISH],
            id="archived-and-changed",
        ),
    ],
)
def test_what_differs_is_done_and_no_more(observed: dict[str, Any] | None, expected: list[Act]) -> None:
    assert acts(observed) == expected


def test_settings_beside_ours_are_the_users() -> None:
    assert not acts(kept(settings=OURS.content["settings"] | {"timezone": "Europe/Berlin"}))


def test_a_setting_of_ours_is_put_back() -> None:
    changed = kept(settings={"saveDataErrorExecution": "all", "executionTimeout": 60})
    assert differences(OURS, changed) == ("settings.saveDataErrorExecution",)


def test_a_changed_parameter_deep_inside_is_seen() -> None:
    changed = kept()
    changed["nodes"][0]["parameters"]["path"] = "b"
    assert differences(OURS, changed) == ("nodes",)


def test_steps_come_workflow_by_workflow_in_the_given_order() -> None:
    steps = plan([OURS, OTHER], {OURS.id: None, OTHER.id: kept(OTHER, nodes=[])})
    assert [(step.workflow.id, step.act) for step in steps] == [
        (OURS.id, Act.CREATE),
        (OURS.id, Act.PUBLISH),
        (OTHER.id, Act.UPDATE),
        (OTHER.id, Act.PUBLISH),
    ]


def test_planning_again_after_it_was_done_gives_nothing() -> None:
    assert not plan([OURS, OTHER], {OURS.id: kept(), OTHER.id: kept(OTHER)})
