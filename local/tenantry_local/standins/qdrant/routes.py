"""HTTP routes for collections and points: the calls that Tenantry makes through qdrant-client.

The routes are plain functions, so FastAPI runs them in threads, which may block on the engine.
"""

import time
from dataclasses import dataclass
from typing import Annotated, Any

import pydantic_core
from fastapi import APIRouter, Depends, Request, Response
from qdrant_client import models

from .access import Access, Level
from .engine import Engine

__all__ = ["router"]

router = APIRouter(prefix="/collections")

_DONE = {"operation_id": 0, "status": "completed"}
"""Result of every write; it is on disk before the response, regardless of ``wait``."""

DEFAULT_LIMIT = 10
"""Default number of points per response."""


@dataclass(frozen=True)
class Call:
    """One request: its engine, its rights and its start time."""

    engine: Engine
    access: Access
    started: float

    def require(self, collection: str, needed: Level) -> Engine:
        """Return the engine; raise unless the caller's rights on a collection include a level."""
        self.access.require(collection, needed)
        return self.engine

    def respond(self, result: Any) -> Response:
        """Return a result in Qdrant's envelope."""
        spent = round(time.perf_counter() - self.started, 6)
        envelope = {"result": result, "status": "ok", "time": spent}
        return Response(pydantic_core.to_json(envelope, exclude_none=True), media_type="application/json")


async def authenticate(request: Request) -> Call:
    """Verify a request's credentials."""
    state = request.app.state
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    return Call(
        state.engine,
        state.authenticator.authenticate(request.headers.get("api-key") or bearer),
        time.perf_counter(),
    )


AuthenticatedCall = Annotated[Call, Depends(authenticate)]


@router.get("")
def list_collections(call: AuthenticatedCall) -> Response:
    """List the collections that the caller may read."""
    seen = [{"name": name} for name in call.engine.list_names() if call.access.can_read(name)]
    return call.respond({"collections": seen})


@router.get("/{name}")
def get_collection(name: str, call: AuthenticatedCall) -> Response:
    """Describe a collection."""
    return call.respond(call.require(name, Level.READ).describe(name))


@router.get("/{name}/exists")
def check_collection_exists(name: str, call: AuthenticatedCall) -> Response:
    """Return whether a collection exists."""
    return call.respond({"exists": name in call.require(name, Level.READ).list_names()})


@router.put("/{name}")
def create_collection(name: str, body: models.CreateCollection, call: AuthenticatedCall) -> Response:
    """Create a collection."""
    return call.respond(call.require(name, Level.MANAGE).create(name, body))


@router.patch("/{name}")
def update_collection(name: str, body: models.UpdateCollection, call: AuthenticatedCall) -> Response:
    """Change a collection's settings."""
    return call.respond(call.require(name, Level.MANAGE).update(name, body))


@router.delete("/{name}")
def delete_collection(name: str, call: AuthenticatedCall) -> Response:
    """Delete a collection."""
    return call.respond(call.require(name, Level.MANAGE).delete(name))


@router.put("/{name}/index")
def create_index(name: str, body: models.CreateFieldIndex, call: AuthenticatedCall) -> Response:
    """Index a field."""
    call.require(name, Level.WRITE).create_index(name, body)
    return call.respond(_DONE)


@router.delete("/{name}/index/{field}")
def delete_index(name: str, field: str, call: AuthenticatedCall) -> Response:
    """Delete a field's index."""
    call.require(name, Level.WRITE).delete_index(name, field)
    return call.respond(_DONE)


@router.put("/{name}/points")
def upsert(name: str, body: models.PointsList | models.PointsBatch, call: AuthenticatedCall) -> Response:
    """Insert points, or replace those with the same ids."""
    points = body.points if isinstance(body, models.PointsList) else body.batch
    engine = call.require(name, Level.WRITE_POINTS)
    return call.respond(
        engine.call(
            name, "upsert", points=points, update_filter=body.update_filter, update_mode=body.update_mode
        )
    )


@router.post("/{name}/points/delete")
def delete(name: str, body: models.FilterSelector | models.PointIdsList, call: AuthenticatedCall) -> Response:
    """Delete points by filter or ids."""
    return call.respond(call.require(name, Level.WRITE_POINTS).call(name, "delete", points_selector=body))


@router.post("/{name}/points/payload")
def set_payload(name: str, body: models.SetPayload, call: AuthenticatedCall) -> Response:
    """Set fields of points' payloads and keep the others."""
    points = body.filter if body.points is None else body.points
    engine = call.require(name, Level.WRITE_POINTS)
    return call.respond(engine.call(name, "set_payload", payload=body.payload, points=points, key=body.key))


@router.post("/{name}/points")
def retrieve(name: str, body: models.PointRequest, call: AuthenticatedCall) -> Response:
    """Return points by their ids."""
    engine = call.require(name, Level.READ)
    return call.respond(
        engine.call(
            name,
            "retrieve",
            ids=body.ids,
            with_payload=_get_default_payload(body.with_payload),
            with_vectors=body.with_vector or False,
        )
    )


@router.post("/{name}/points/query")
def query(name: str, body: models.QueryRequest, call: AuthenticatedCall) -> Response:
    """Search points."""
    engine = call.require(name, Level.READ)
    return call.respond(
        engine.call(
            name,
            "query_points",
            query=body.query,
            using=body.using,
            prefetch=body.prefetch,
            query_filter=body.filter,
            search_params=body.params,
            limit=body.limit or DEFAULT_LIMIT,
            offset=body.offset,
            with_payload=body.with_payload or False,
            with_vectors=body.with_vector or False,
            score_threshold=body.score_threshold,
            lookup_from=body.lookup_from,
        )
    )


@router.post("/{name}/points/scroll")
def scroll(name: str, body: models.ScrollRequest, call: AuthenticatedCall) -> Response:
    """Return a page of points."""
    engine = call.require(name, Level.READ)
    points, following = engine.call(
        name,
        "scroll",
        scroll_filter=body.filter,
        limit=body.limit or DEFAULT_LIMIT,
        order_by=body.order_by,
        offset=body.offset,
        with_payload=_get_default_payload(body.with_payload),
        with_vectors=body.with_vector or False,
    )
    return call.respond({"points": points, "next_page_offset": following})


@router.post("/{name}/points/count")
def count(name: str, body: models.CountRequest, call: AuthenticatedCall) -> Response:
    """Count points."""
    return call.respond(call.require(name, Level.READ).call(name, "count", count_filter=body.filter))


@router.post("/{name}/facet")
def count_facet(name: str, body: models.FacetRequest, call: AuthenticatedCall) -> Response:
    """Count the values of an indexed field."""
    return call.respond(call.require(name, Level.READ).count_facet(name, body))


def _get_default_payload(with_payload: Any) -> Any:
    """Return the default of retrieve and scroll if the request has no value: with payloads."""
    return True if with_payload is None else with_payload
