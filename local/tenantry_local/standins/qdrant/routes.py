"""HTTP routes for collections and points: the calls that Tenantry makes through qdrant-client.

The routes are plain functions, so FastAPI runs them in threads, which may block on the engine.
"""

from typing import Any

from fastapi import APIRouter, Request, Response
from qdrant_client import models

from .access import Level
from .call import AuthenticatedCall
from .cluster import drop_unknown_params

__all__ = ["router"]

router = APIRouter(prefix="/collections")

_DONE = {"operation_id": 0, "status": "completed"}
"""Result of every write; it is on disk before the response, regardless of ``wait``."""

DEFAULT_LIMIT = 10
"""Default number of points per response."""


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
def query(name: str, body: models.QueryRequest, request: Request, call: AuthenticatedCall) -> Response:
    """Search points."""
    engine = call.require(name, Level.READ)
    body = drop_unknown_params(body, request.app.state.versions[0])
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
