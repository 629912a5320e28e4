"""Tests of the OpenAPI description: validity and completeness."""

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


def resolve(value: dict[str, Any]) -> dict[str, Any]:
    """Return the component of a reference, or the value itself."""
    if "$ref" not in value:
        return value
    _, _, kind, name = value["$ref"].split("/")
    component: dict[str, Any] = DOCUMENT["components"][kind][name]
    return component


def iter_contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each body of an operation's request and responses."""
    for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from holder.get("content", {}).values()


def list_examples(content: dict[str, Any]) -> list[Any]:
    """Return all examples of a body."""
    named = [resolve(example)["value"] for example in content.get("examples", {}).values()]
    own = [content["example"]] if "example" in content else []
    of_schema: list[Any] = resolve(content["schema"]).get("examples", [])
    return named + own + of_schema


def list_operations_with_header(name: str) -> set[str]:
    """Return the operations with a header field on all responses."""
    return {
        operation
        for operation, described in OPERATIONS.items()
        if all(name in response["headers"] for response in described["responses"].values())
    }


def test_the_description_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(DOCUMENT, config=schemathesis.Config()).validate()


@each_operation
def test_every_operation_has_a_security_scheme(operation: str) -> None:
    wanted = OPERATIONS[operation].get("security", DOCUMENT["security"])
    schemes = ["person", "ticket"] if operation in (*TICKETS, "GET /v1/documents") else ["person"]
    assert [name for requirement in wanted for name in requirement] == schemes
    assert set(schemes) <= DOCUMENT["components"]["securitySchemes"].keys()


@each_operation
def test_every_body_has_examples_that_match_its_schema(operation: str) -> None:
    for content in iter_contents(OPERATIONS[operation]):
        validator = OAS31Validator({**content["schema"], "components": DOCUMENT["components"]})
        assert list_examples(content)
        for example in list_examples(content):
            validator.validate(example)


@each_operation
def test_every_parameter_has_a_description_and_an_example_and_is_not_null(operation: str) -> None:
    parameters = [resolve(parameter) for parameter in OPERATIONS[operation]["parameters"]]
    assert {parameter["name"] for parameter in parameters} >= {"X-Request-ID", "traceparent"}
    for parameter in parameters:
        assert parameter["description"], parameter["name"]
        assert parameter["schema"]["examples"], parameter["name"]
        assert "null" not in str(parameter["schema"]), parameter["name"]


@each_operation
def test_errors_of_an_operation_have_one_shape_and_known_problems(operation: str) -> None:
    openai = operation.split()[1] in OPENAI_PATHS
    for status, response in OPERATIONS[operation]["responses"].items():
        if status >= "4":
            ((media_type, content),) = response["content"].items()
            assert media_type == ("application/json" if openai else "application/problem+json")
            unknown_problem = {
                "type": "about:blank",
                "title": "x",
                "status": int(status),
                "detail": "",
                "instance": "",
            }
            error = {"message": "", "type": "", "param": None, "code": "blank"}
            schema = {**content["schema"], "components": DOCUMENT["components"]}
            assert not OAS31Validator(schema).is_valid({"error": error} if openai else unknown_problem)


@each_operation
def test_every_response_declares_its_header_fields(operation: str) -> None:
    everywhere = {"X-Request-ID", "Server-Timing", "Cache-Control", "X-Content-Type-Options"}
    for status, response in OPERATIONS[operation]["responses"].items():
        required = {name for name, header in response["headers"].items() if resolve(header)["required"]}
        own: dict[str, set[str]] = {
            "401": {"WWW-Authenticate"},
            "409": {"Retry-After"},
            "429": {"Retry-After"},
            "503": {"Retry-After"},
            "504": {"Retry-After"},
        }
        if operation in (RESTORE, "POST /v1/documents") and status == "409":
            own = {}  # waiting does not help against a document of the same name
        cached = {"Cache-Status"} if status == "200" and operation in QUERIES - {"POST /v1/search"} else set()
        assert required == everywhere | own.get(status, set()) | cached


def test_rate_limit_and_replay_headers_are_declared() -> None:
    assert (
        list_operations_with_header("RateLimit") == list_operations_with_header("RateLimit-Policy") == QUERIES
    )
    assert list_operations_with_header("Idempotent-Replayed") == WRITES


def test_an_upload_links_to_operations_of_the_document() -> None:
    links = OPERATIONS["POST /v1/documents"]["responses"]["201"]["links"]
    names = {operation["operationId"] for operation in OPERATIONS.values()}
    assert {link["operationId"] for link in links.values()} == {"get_document", "delete_document"} <= names


def test_every_problem_type_is_declared_by_an_operation() -> None:
    described = {
        slug
        for operation in OPERATIONS.values()
        for content in iter_contents(operation)
        for slug in content.get("examples", {})
    }
    never_answered = {"dimension-mismatch", "indexing-failed"}
    assert {kind.slug for kind in list_problem_types()} - described == never_answered


def test_every_extension_member_of_a_problem_is_described() -> None:
    described = DOCUMENT["components"]["schemas"]["Problem"]["properties"].keys()
    assert {name for kind in list_problem_types() for name in kind.members} <= described


def test_the_description_has_no_internal_names() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert not [name for name in schemas if "__" in name or "Validation" in name]
