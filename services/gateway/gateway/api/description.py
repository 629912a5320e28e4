"""The API's description (OpenAPI 3.1): what the routes say of themselves, and what holds for all of them."""

import functools
from collections.abc import Iterator
from typing import Any

import pydantic_core
from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi

from ..problems import RateLimited
from .components import HEADERS, PARAMETERS, PERSON, SCHEMAS, SECURITY
from .responses import examples_of_all

__all__ = ["describe"]

_EVERYWHERE = ("X-Request-ID", "Server-Timing", "Cache-Control", "X-Content-Type-Options")
_COUNTED = ("RateLimit-Policy", "RateLimit")
"""Where a query is counted; not before that, and the second not while Redis is away."""


def describe(app: FastAPI) -> None:
    """Let the application describe itself, once all routes are there."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                routes=app.routes,
                description="One door to a tenant's documents and to the models that answer from them.",
            )
            _complete(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]

    @functools.cache
    def encoded() -> bytes:
        # Once: it takes longer than other requests may wait, and everybody may ask.
        return pydantic_core.to_json(openapi())

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi_json() -> Response:
        return Response(encoded(), media_type="application/json")


def _complete(document: dict[str, Any]) -> None:
    components = document["components"]
    components["schemas"] |= SCHEMAS
    components |= {"headers": HEADERS, "parameters": PARAMETERS, "securitySchemes": SECURITY}
    components["examples"] = examples_of_all()
    document["security"] = [{PERSON: []}]
    for operations in document["paths"].values():
        for operation in operations.values():
            _complete_operation(operation)


def _complete_operation(operation: dict[str, Any]) -> None:
    own = [_never_null(each) for each in operation.get("parameters", [])]
    common = [{"$ref": f"#/components/parameters/{name}"} for name in PARAMETERS]
    operation["parameters"] = [*own, *common]
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _headers(operation, own)}
    for response in operation["responses"].values():
        response["headers"] = headers | response.get("headers", {})


def _headers(operation: dict[str, Any], parameters: list[dict[str, Any]]) -> Iterator[str]:
    """Yield which header fields may stand on all responses of an operation."""
    yield from _EVERYWHERE
    if RateLimited.slug in str(operation["responses"].get("429")):
        yield from _COUNTED
    if any(parameter["name"] == "Idempotency-Key" for parameter in parameters):
        yield "Idempotent-Replayed"


def _never_null(parameter: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter without FastAPI's "or null": one is left out, but cannot be null."""
    schema = dict(parameter["schema"])
    for choice in schema.pop("anyOf", []):
        if choice != {"type": "null"}:
            schema |= choice
    return parameter | {"schema": schema}
