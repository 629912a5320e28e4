"""What can be asked about collections and points: the calls that qdrant-client makes, and no others.

Routes are no coroutines, so FastAPI runs them in threads, where they may wait for the engine.
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
"""Every write is on disk when it is answered, whether the caller waits for that or not."""

PAGE = 10
"""How many points an answer has when the caller does not say."""


@dataclass(frozen=True)
class Call:
    """One request: whom it asks, what it may do, and since when it runs."""

    engine: Engine
    access: Access
    started: float

    def require(self, collection: str, needed: Level) -> Engine:
        """Return the engine to one who may do this much with the collection."""
        self.access.require(collection, needed)
        return self.engine

    def result(self, result: Any) -> Response:
        """Wrap a result as Qdrant does."""
        spent = round(time.perf_counter() - self.started, 6)
        envelope = {"result": result, "status": "ok", "time": spent}
        return Response(pydantic_core.to_json(envelope, exclude_none=True), media_type="application/json")


async def authenticate(request: Request) -> Call:
    """Look at a request's credentials."""
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
    """Name the collections that the caller may see."""
    seen = [{"name": name} for name in call.engine.names() if call.access.can_read(name)]
    return call.result({"collections": seen})


@router.get("/{name}")
def get_collection(name: str, call: AuthenticatedCall) -> Response:
    """Describe a collection."""
    return call.result(call.require(name, Level.READ).info(name))


@router.get("/{name}/exists")
def collection_exists(name: str, call: AuthenticatedCall) -> Response:
    """Tell whether there is such a collection."""
    return call.result({"exists": name in call.require(name, Level.READ).names()})


@router.put("/{name}")
def create_collection(name: str, body: models.CreateCollection, call: AuthenticatedCall) -> Response:
    """Make a collection."""
    return call.result(call.require(name, Level.MANAGE).create(name, body))


@router.patch("/{name}")
def update_collection(name: str, body: models.UpdateCollection, call: AuthenticatedCall) -> Response:
    """Change a collection's settings."""
    return call.result(call.require(name, Level.MANAGE).update(name, body))


@router.delete("/{name}")
def delete_collection(name: str, call: AuthenticatedCall) -> Response:
    """Remove a collection."""
    return call.result(call.require(name, Level.MANAGE).delete(name))


@router.put("/{name}/index")
def create_index(name: str, body: models.CreateFieldIndex, call: AuthenticatedCall) -> Response:
    """Index a field."""
    call.require(name, Level.WRITE).create_index(name, body)
    return call.result(_DONE)


@router.delete("/{name}/index/{field}")
def delete_index(name: str, field: str, call: AuthenticatedCall) -> Response:
    """Remove a field's index."""
    call.require(name, Level.WRITE).delete_index(name, field)
    return call.result(_DONE)


@router.put("/{name}/points")
def upsert(name: str, body: models.PointsList | models.PointsBatch, call: AuthenticatedCall) -> Response:
    """Write points, over those of the same ids."""
    points = body.points if isinstance(body, models.PointsList) else body.batch
    engine = call.require(name, Level.WRITE_POINTS)
    return call.result(
        engine.call(
            name, "upsert", points=points, update_filter=body.update_filter, update_mode=body.update_mode
        )
    )


@router.post("/{name}/points/delete")
def delete(name: str, body: models.FilterSelector | models.PointIdsList, call: AuthenticatedCall) -> Response:
    """Remove points by filter or ids."""
    return call.result(call.require(name, Level.WRITE_POINTS).call(name, "delete", points_selector=body))


@router.post("/{name}/points/payload")
def set_payload(name: str, body: models.SetPayload, call: AuthenticatedCall) -> Response:
    """Set fields of points' payloads, and leave the others."""
    points = body.filter if body.points is None else body.points
    engine = call.require(name, Level.WRITE_POINTS)
    return call.result(engine.call(name, "set_payload", payload=body.payload, points=points, key=body.key))


@router.post("/{name}/points")
def retrieve(name: str, body: models.PointRequest, call: AuthenticatedCall) -> Response:
    """Return points by their ids."""
    engine = call.require(name, Level.READ)
    return call.result(
        engine.call(
            name,
            "retrieve",
            ids=body.ids,
            with_payload=_default_payload(body.with_payload),
            with_vectors=body.with_vector or False,
        )
    )


@router.post("/{name}/points/query")
def query(name: str, body: models.QueryRequest, call: AuthenticatedCall) -> Response:
    """Search."""
    engine = call.require(name, Level.READ)
    return call.result(
        engine.call(
            name,
            "query_points",
            query=body.query,
            using=body.using,
            prefetch=body.prefetch,
            query_filter=body.filter,
            search_params=body.params,
            limit=body.limit or PAGE,
            offset=body.offset,
            with_payload=body.with_payload or False,
            with_vectors=body.with_vector or False,
            score_threshold=body.score_threshold,
            lookup_from=body.lookup_from,
        )
    )


@router.post("/{name}/points/scroll")
def scroll(name: str, body: models.ScrollRequest, call: AuthenticatedCall) -> Response:
    """Return points page by page."""
    engine = call.require(name, Level.READ)
    points, following = engine.call(
        name,
        "scroll",
        scroll_filter=body.filter,
        limit=body.limit or PAGE,
        order_by=body.order_by,
        offset=body.offset,
        with_payload=_default_payload(body.with_payload),
        with_vectors=body.with_vector or False,
    )
    return call.result({"points": points, "next_page_offset": following})


@router.post("/{name}/points/count")
def count(name: str, body: models.CountRequest, call: AuthenticatedCall) -> Response:
    """Count points."""
    return call.result(call.require(name, Level.READ).call(name, "count", count_filter=body.filter))


@router.post("/{name}/facet")
def facet(name: str, body: models.FacetRequest, call: AuthenticatedCall) -> Response:
    """Count the values of an indexed field."""
    return call.result(call.require(name, Level.READ).facet(name, body))


def _default_payload(with_payload: Any) -> Any:
    """Say what retrieve and scroll return when they are not told: payloads."""
    return True if with_payload is None else with_payload
