"""The API's description is OpenAPI 3.1, and leaves nothing out that a caller meets."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from gateway.api.errors import OPENAI_PATHS
from gateway.problems import list_problem_types
from openapi_schema_validator import OAS31Validator

from tools.gateway_reference import describe

DOCUMENT = describe()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
QUERIES = {"POST /v1/search", "POST /v1/answers", "POST /v1/chat/completions"}
TICKETS = {"POST /v1/documents", "DELETE /v1/documents/{documentId}"}
RESTORE = "POST /v1/documents/{documentId}/restore"
WRITES = TICKETS | {RESTORE}

each_operation = pytest.mark.parametrize("operation", OPERATIONS)


def resolved(value: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference to a component leads to, or the value itself."""
    if "$ref" not in value:
        return value
    _, _, kind, name = value["$ref"].split("/")
    found: dict[str, Any] = DOCUMENT["components"][kind][name]
    return found


def contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each body of an operation's request and responses."""
    for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from holder.get("content", {}).values()


def examples(content: dict[str, Any]) -> list[Any]:
    """Return a body's examples, wherever they stand."""
    named = [resolved(each)["value"] for each in content.get("examples", {}).values()]
    own = [content["example"]] if "example" in content else []
    of_schema: list[Any] = resolved(content["schema"]).get("examples", [])
    return named + own + of_schema


def headers_with(name: str) -> set[str]:
    """Return the operations whose responses may all have a header field."""
    return {
        operation
        for operation, each in OPERATIONS.items()
        if all(name in response["headers"] for response in each["responses"].values())
    }


def test_it_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(DOCUMENT, config=schemathesis.Config()).validate()


@each_operation
def test_every_operation_says_how_callers_prove_who_they_are(operation: str) -> None:
    wanted = OPERATIONS[operation].get("security", DOCUMENT["security"])
    schemes = ["person", "ticket"] if operation in (*TICKETS, "GET /v1/documents") else ["person"]
    assert [name for each in wanted for name in each] == schemes
    assert set(schemes) <= DOCUMENT["components"]["securitySchemes"].keys()


@each_operation
def test_every_body_has_examples_and_they_are_what_its_schema_says(operation: str) -> None:
    for content in contents(OPERATIONS[operation]):
        validator = OAS31Validator({**content["schema"], "components": DOCUMENT["components"]})
        assert examples(content)
        for example in examples(content):
            validator.validate(example)


@each_operation
def test_every_parameter_is_described_has_an_example_and_is_never_null(operation: str) -> None:
    parameters = [resolved(each) for each in OPERATIONS[operation]["parameters"]]
    assert {each["name"] for each in parameters} >= {"X-Request-ID", "traceparent"}
    for each in parameters:
        assert each["description"], each["name"]
        assert each["schema"]["examples"], each["name"]
        assert "null" not in str(each["schema"]), each["name"]


@each_operation
def test_an_operation_answers_errors_in_one_shape_and_with_its_own_problems_only(operation: str) -> None:
    openai = operation.split()[1] in OPENAI_PATHS
    for status, response in OPERATIONS[operation]["responses"].items():
        if status >= "4":
            ((media_type, content),) = response["content"].items()
            assert media_type == ("application/json" if openai else "application/problem+json")
            stranger = {
                "type": "about:blank",
                "title": "x",
                "status": int(status),
                "detail": "",
                "instance": "",
            }
            error = {"message": "", "type": "", "param": None, "code": "blank"}
            schema = {**content["schema"], "components": DOCUMENT["components"]}
            assert not OAS31Validator(schema).is_valid({"error": error} if openai else stranger)


@each_operation
def test_every_response_names_its_header_fields(operation: str) -> None:
    everywhere = {"X-Request-ID", "Server-Timing", "Cache-Control", "X-Content-Type-Options"}
    for status, response in OPERATIONS[operation]["responses"].items():
        required = {name for name, header in response["headers"].items() if resolved(header)["required"]}
        own: dict[str, set[str]] = {
            "401": {"WWW-Authenticate"},
            "409": {"Retry-After"},
            "429": {"Retry-After"},
            "503": {"Retry-After"},
            "504": {"Retry-After"},
        }
        if operation in (RESTORE, "POST /v1/documents") and status == "409":
            own = {}  # a document of the same name does not go away by itself
        cached = {"Cache-Status"} if status == "200" and operation in QUERIES - {"POST /v1/search"} else set()
        assert required == everywhere | own.get(status, set()) | cached


def test_limits_and_replays_are_named_where_they_are_told() -> None:
    assert headers_with("RateLimit") == headers_with("RateLimit-Policy") == QUERIES
    assert headers_with("Idempotent-Replayed") == WRITES


def test_a_stored_document_leads_to_what_can_be_done_with_it() -> None:
    links = OPERATIONS["POST /v1/documents"]["responses"]["201"]["links"]
    names = {operation["operationId"] for operation in OPERATIONS.values()}
    assert {link["operationId"] for link in links.values()} == {"get_document", "delete_document"} <= names


def test_every_problem_that_callers_meet_is_one_of_some_operation() -> None:
    described = {
        slug
        for each in OPERATIONS.values()
        for content in contents(each)
        for slug in content.get("examples", {})
    }
    never_answered = {"dimension-mismatch", "indexing-failed"}
    assert {kind.slug for kind in list_problem_types()} - described == never_answered


def test_every_further_member_of_a_problem_is_described() -> None:
    described = DOCUMENT["components"]["schemas"]["Problem"]["properties"].keys()
    assert {name for kind in list_problem_types() for name in kind.members} <= described


def test_no_name_of_the_code_or_the_framework_shows() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert not [name for name in schemas if "__" in name or "Validation" in name]
