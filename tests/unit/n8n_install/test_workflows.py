"""Tests of the workflow files: names, forbidden content and error handling.

tests/integration/n8n runs them in n8n.
"""

import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import pytest
from n8n_install.workflows import FILES, PLACEHOLDER, WEBHOOKS, Workflow, load_workflows

GATEWAY = "http://gateway.example:8080/base"
ERRORS, UPLOAD, CHAT = load_workflows(GATEWAY)
RAW = {file: (files("n8n_install") / "workflows" / file).read_text() for file in FILES}
each_workflow = pytest.mark.parametrize("workflow", [ERRORS, UPLOAD, CHAT], ids=lambda each: each.id)
with_webhook = pytest.mark.parametrize("workflow", [UPLOAD, CHAT], ids=lambda each: each.id)


def list_nodes(workflow: Workflow, kind: str = "") -> list[dict[str, Any]]:
    return [
        node for node in workflow.content["nodes"] if node["type"].removeprefix("n8n-nodes-base.") == kind
    ]


def map_nodes(workflow: Workflow) -> dict[str, dict[str, Any]]:
    """Return all nodes but sticky notes by name."""
    found = [node for node in workflow.content["nodes"] if not node["type"].endswith(".stickyNote")]
    return {node["name"]: node for node in found}


def list_edges(workflow: Workflow) -> list[tuple[str, int, str]]:
    return [
        (source, output, edge["node"])
        for source, kinds in workflow.content["connections"].items()
        for output, branch in enumerate(kinds["main"])
        for edge in branch
    ]


def get_next_node(workflow: Workflow, name: str, output: int) -> str:
    """Return the only node that an output leads to."""
    (found,) = [target for source, at, target in list_edges(workflow) if (source, at) == (name, output)]
    return found


def iterate_texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for each in value.values():
                yield from iterate_texts(each)
        case list():
            for each in value:
                yield from iterate_texts(each)
        case _:
            pass


def test_names_and_ids_are_stable() -> None:
    assert {workflow.id: workflow.name for workflow in load_workflows(GATEWAY)} == {
        "TenantryErrors01": "Tenantry: Errors",
        "TenantryUpload01": "Digital Twin Upload (Multi-tenant)",
        "TenantryChatRag1": "Digital Twin Chat RAG (Multi-tenant)",
    }


@each_workflow
def test_execution_data_is_not_saved(workflow: Workflow) -> None:
    settings = workflow.content["settings"]
    assert settings["saveDataSuccessExecution"] == "none"
    assert settings["saveDataErrorExecution"] == "none"
    assert settings["saveManualExecutions"] is False
    assert settings["saveExecutionProgress"] is False
    assert workflow.content["pinData"] == {}
    assert settings["executionTimeout"] > 0


@with_webhook
def test_failed_execution_runs_the_error_workflow(workflow: Workflow) -> None:
    assert workflow.content["settings"]["errorWorkflow"] == ERRORS.id
    (trigger,) = list_nodes(ERRORS, "errorTrigger")
    assert get_next_node(ERRORS, trigger["name"], 0) == list_nodes(ERRORS, "code")[0]["name"]


@each_workflow
def test_no_node_holds_a_credential(workflow: Workflow) -> None:
    for node in workflow.content["nodes"]:
        assert "credentials" not in node
        assert node["parameters"].get("authentication", "none") == "none"
        for header in node["parameters"].get("headerParameters", {}).get("parameters", []):
            if header["name"].lower() == "authorization":
                assert re.fullmatch(
                    r"=\{\{ \$\('[^']+'\)\.first\(\)\.json\.headers\.authorization \}\}", header["value"]
                )


@pytest.mark.parametrize("text", RAW.values(), ids=RAW)
def test_files_contain_no_host(text: str) -> None:
    written = "\n".join(iterate_texts(json.loads(text)))
    addresses = set(re.findall(r"https?://[^/\s'\"`]+", written))
    assert addresses <= {"https://tenantry.io"}  # the types of problems are URLs, but no host is called


@with_webhook
def test_gateway_address_is_filled_in(workflow: Workflow) -> None:
    (call,) = list_nodes(workflow, "httpRequest")
    assert call["parameters"]["url"].startswith(f"{GATEWAY}/v1/")
    assert PLACEHOLDER not in json.dumps(workflow.content)


def test_trailing_slash_of_the_gateway_is_ignored() -> None:
    assert load_workflows(f"{GATEWAY}/") == load_workflows(GATEWAY)


@each_workflow
def test_nodes_have_unique_names_places_and_notes(workflow: Workflow) -> None:
    all_nodes = workflow.content["nodes"]
    assert len({node["id"] for node in all_nodes}) == len(all_nodes)
    assert len({node["name"] for node in all_nodes}) == len(all_nodes)
    assert len({tuple(node["position"]) for node in all_nodes}) == len(all_nodes)
    kind = re.compile(r"(?i)^(webhook|if|http request|respond to webhook|wait|code|sticky note)\d*$")
    for name, node in map_nodes(workflow).items():
        assert not kind.match(name), "it still has the name that n8n gave it"
        assert node["notes"].endswith("."), name
    (about,) = [note for note in list_nodes(workflow, "stickyNote") if note["name"] == "About this workflow"]
    assert workflow.name in about["parameters"]["content"]


@each_workflow
def test_nodes_do_not_overlap(workflow: Workflow) -> None:
    places = [node["position"] for node in map_nodes(workflow).values()]
    for number, (x, y) in enumerate(places):
        for other_x, other_y in places[:number]:
            assert abs(x - other_x) >= 180 or abs(y - other_y) >= 120


@with_webhook
def test_every_path_ends_in_a_response(workflow: Workflow) -> None:
    """With an unconnected output, the caller would wait until the execution's timeout."""
    outputs = {"webhook": 1, "if": 2, "httpRequest": 2, "wait": 1}
    for name, node in map_nodes(workflow).items():
        kind = node["type"].removeprefix("n8n-nodes-base.")
        for output in range(outputs.get(kind, 0)):
            assert get_next_node(workflow, name, output)


@with_webhook
def test_request_without_credential_is_refused_without_a_call(workflow: Workflow) -> None:
    (webhook,) = list_nodes(workflow, "webhook")
    (call,) = list_nodes(workflow, "httpRequest")
    check = get_next_node(workflow, webhook["name"], 0)
    assert get_next_node(workflow, check, 0) == call["name"]
    refusal = map_nodes(workflow)[get_next_node(workflow, check, 1)]
    assert refusal["parameters"]["options"]["responseCode"] == 401
    assert '"type": "https://tenantry.io/problems/' in refusal["parameters"]["responseBody"]


@with_webhook
def test_unreachable_gateway_is_503_then_a_failed_execution(workflow: Workflow) -> None:
    (call,) = list_nodes(workflow, "httpRequest")
    assert (call["onError"], call["retryOnFail"]) == ("continueErrorOutput", True)
    refusal = map_nodes(workflow)[get_next_node(workflow, call["name"], 1)]
    assert refusal["parameters"]["options"]["responseCode"] == 503
    assert "problems/gateway-unreachable" in refusal["parameters"]["responseBody"]
    assert (
        map_nodes(workflow)[get_next_node(workflow, refusal["name"], 0)]["type"]
        == "n8n-nodes-base.stopAndError"
    )


@with_webhook
def test_redirects_are_not_followed(workflow: Workflow) -> None:
    (call,) = list_nodes(workflow, "httpRequest")
    assert call["parameters"]["options"]["redirect"] == {"redirect": {"followRedirects": False}}


def test_webhook_paths_are_the_documented_paths() -> None:
    paths = [list_nodes(workflow, "webhook")[0]["parameters"]["path"] for workflow in (UPLOAD, CHAT)]
    assert tuple(paths) == WEBHOOKS


def test_only_uploads_are_retried_after_a_response() -> None:
    assert list_nodes(UPLOAD, "wait")
    assert not list_nodes(CHAT, "wait")
    assert list_nodes(CHAT, "httpRequest")[0]["maxTries"] == 2


def test_only_code_node_writes_the_log_line_without_headers() -> None:
    assert not list_nodes(UPLOAD, "code")
    assert not list_nodes(CHAT, "code")
    (code,) = list_nodes(ERRORS, "code")
    assert "headers" not in re.sub(r"//.*", "", code["parameters"]["jsCode"])
