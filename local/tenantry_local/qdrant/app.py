"""The REST surface: paths, envelopes and errors of Qdrant 1.x."""

import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from qdrant_client import models

from .access import Access, Denied, authorize
from .engine import Engine, NotFound, Refused

__all__ = ["VERSION", "make_app"]

VERSION = version("qdrant-client")
"""What it calls itself: the client refuses a server of another minor version."""


def make_app(engine: Engine, api_key: str) -> FastAPI:  # noqa: C901 (one small function a route)
    """Return the application; every path but ``/healthz`` and ``/`` wants the key or a token."""
    app = FastAPI(title="Qdrant front", openapi_url=None)
    _add_errors(app)

    def access(request: Request) -> Access:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        return authorize(request.headers.get("api-key") or bearer, api_key)

    Rights = Annotated[Access, Depends(access)]  # noqa: N806 (a type)

    @app.get("/")
    def _() -> dict[str, str]:
        return {"title": "qdrant - vector search engine", "version": VERSION, "commit": "stand-in"}

    @app.get("/healthz")
    def _() -> Response:
        return Response("healthz check passed")

    @app.get("/collections")
    def _(rights: Rights) -> Any:
        rights.require(None, "r")
        return _result({"collections": [{"name": name} for name in engine.names()]})

    @app.get("/collections/{name}/exists")
    def _(name: str, rights: Rights) -> Any:
        rights.require(name, "r")
        return _result({"exists": name in engine.names()})

    @app.get("/collections/{name}")
    def _(name: str, rights: Rights) -> Any:
        rights.require(name, "r")
        return _result(engine.info(name))

    @app.put("/collections/{name}")
    def _(name: str, body: models.CreateCollection, rights: Rights) -> Any:
        rights.require(None, "m")
        return _result(engine.create(name, body))

    @app.delete("/collections/{name}")
    def _(name: str, rights: Rights) -> Any:
        rights.require(None, "m")
        return _result(engine.delete(name))

    @app.put("/collections/{name}/index")
    def _(name: str, body: models.CreateFieldIndex, rights: Rights) -> Any:
        rights.require(name, "rw")
        engine.create_index(name, body)
        return _result(_DONE)

    @app.delete("/collections/{name}/index/{field}")
    def _(name: str, field: str, rights: Rights) -> Any:
        rights.require(name, "rw")
        engine.delete_index(name, field)
        return _result(_DONE)

    @app.put("/collections/{name}/points")
    def _(name: str, body: models.PointsList, rights: Rights) -> Any:
        rights.require(name, "rw")
        return _result(engine.call(name, "upsert", points=body.points))

    @app.post("/collections/{name}/points/delete")
    def _(name: str, body: models.FilterSelector | models.PointIdsList, rights: Rights) -> Any:
        rights.require(name, "rw")
        return _result(engine.call(name, "delete", points_selector=body))

    @app.post("/collections/{name}/points")
    def _(name: str, body: models.PointRequest, rights: Rights) -> Any:
        rights.require(name, "r")
        found = engine.call(
            name,
            "retrieve",
            ids=body.ids,
            with_payload=_or_all(body.with_payload),
            with_vectors=body.with_vector or False,
        )
        return _result(found)

    @app.post("/collections/{name}/points/query")
    def _(name: str, body: models.QueryRequest, rights: Rights) -> Any:
        rights.require(name, "r")
        found = engine.call(
            name,
            "query_points",
            query=body.query,
            using=body.using,
            prefetch=body.prefetch,
            query_filter=body.filter,
            limit=body.limit or 10,
            offset=body.offset,
            with_payload=body.with_payload or False,
            with_vectors=body.with_vector or False,
            score_threshold=body.score_threshold,
        )
        return _result(found)

    @app.post("/collections/{name}/points/scroll")
    def _(name: str, body: models.ScrollRequest, rights: Rights) -> Any:
        rights.require(name, "r")
        points, following = engine.call(
            name,
            "scroll",
            scroll_filter=body.filter,
            limit=body.limit or 10,
            offset=body.offset,
            with_payload=_or_all(body.with_payload),
            with_vectors=body.with_vector or False,
        )
        return _result({"points": [_plain(point) for point in points], "next_page_offset": following})

    @app.post("/collections/{name}/points/count")
    def _(name: str, body: models.CountRequest, rights: Rights) -> Any:
        rights.require(name, "r")
        return _result(engine.call(name, "count", count_filter=body.filter, exact=True))

    return app


_DONE = {"operation_id": 0, "status": "completed"}


def _or_all(with_payload: Any) -> Any:
    """Scroll and retrieve return payloads unless they are told not to."""
    return True if with_payload is None else with_payload


def _plain(result: Any) -> Any:
    match result:
        case BaseModel():
            return result.model_dump(mode="json", exclude_none=True)
        case list():
            return [_plain(each) for each in result]
        case _:
            return result


def _result(result: Any) -> JSONResponse:
    return JSONResponse({"result": _plain(result), "status": "ok", "time": 0.0})


def _add_errors(app: FastAPI) -> None:
    def error(status: int, message: str) -> JSONResponse:
        return JSONResponse({"status": {"error": message}, "time": 0.0}, status_code=status)

    @app.exception_handler(Denied)
    async def _(_: Request, exc: Denied) -> JSONResponse:
        return error(exc.status, str(exc))

    @app.exception_handler(NotFound)
    async def _(_: Request, exc: NotFound) -> JSONResponse:
        return error(404, str(exc))

    @app.exception_handler(Refused)
    async def _(_: Request, exc: Refused) -> JSONResponse:
        return error(409 if "already exists" in str(exc) else 400, str(exc))

    @app.exception_handler(RequestValidationError)
    async def _(_: Request, exc: RequestValidationError) -> JSONResponse:
        return error(400, f"Format error in JSON body: {exc.errors()[0]['msg']}")

    @app.middleware("http")
    async def _(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        started = time.perf_counter()
        response = await call(request)
        response.headers["server-timing"] = f"total;dur={(time.perf_counter() - started) * 1000:.1f}"
        return response
