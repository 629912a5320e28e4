"""The API's description (OpenAPI 3.1): what the routes say of themselves, and what holds for all of them."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from .responses import SCHEMAS

__all__ = ["PERSON", "TICKET", "describe"]

PERSON, TICKET = "person", "ticket"

_SECURITY = {
    PERSON: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token of Keycloak. It says who asks, and for which tenant.",
    },
    TICKET: {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Ticket` and a service's signed ticket for one document.",
    },
}

_HEADERS = {
    "X-Request-ID": {
        "description": "The request's id: yours, if you sent a harmless one.",
        "schema": {"type": "string"},
    },
    "Server-Timing": {
        "description": "Milliseconds by stage (W3C Server Timing).",
        "schema": {"type": "string"},
    },
}


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


def _complete(document: dict[str, Any]) -> None:
    document["components"]["schemas"] |= SCHEMAS
    document["components"]["headers"] = _HEADERS
    document["components"]["securitySchemes"] = _SECURITY
    document["security"] = [{PERSON: []}]
    for operations in document["paths"].values():
        for operation in operations.values():
            for response in operation["responses"].values():
                common = {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS}
                response["headers"] = common | response.get("headers", {})
