"""Application of the Qdrant stand-in: routes, version, probes and errors as in Qdrant 1.x."""

from collections.abc import Sequence
from importlib.metadata import version

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse

from .access import Authenticator, Forbidden, Unauthenticated
from .cluster import router as cluster_router
from .engine import AlreadyExists, BadRequest, Engine, NotFound
from .routes import router
from .snapshot_routes import router as snapshot_router
from .snapshots import Snapshots

__all__ = ["VERSION", "make_app"]

VERSION = version("qdrant-client")
"""Reported version by default."""

_STATUS: dict[type[Exception], int] = {BadRequest: 400, Forbidden: 403, NotFound: 404, AlreadyExists: 409}


def make_app(
    engine: Engine, api_key: str, *, server_version: str = VERSION, peer_versions: Sequence[str] = ()
) -> FastAPI:
    """Return the application; all paths except ``/`` and the probes need the key or a token.

    Parameters
    ----------
    engine
        Engine with the collections; the caller closes it.
    api_key
        If it is empty, every caller has all rights.
    server_version
        Version that the server reports. A version before 1.19 ignores ``params.idf``, as Qdrant does.
    peer_versions
        Versions of further peers, for the cluster's telemetry only.
    """
    app = FastAPI(title="Qdrant stand-in", openapi_url=None)
    app.state.engine = engine
    app.state.authenticator = Authenticator(api_key)
    app.state.versions = (server_version, *peer_versions)
    app.state.snapshots = Snapshots(engine, engine.folder / "snapshots")
    app.include_router(router)
    app.include_router(snapshot_router)
    app.include_router(cluster_router)
    _add_probes(app)
    _add_errors(app)
    return app


def _add_probes(app: FastAPI) -> None:
    @app.get("/")
    async def _() -> dict[str, str]:
        return {
            "title": "qdrant - vector search engine",
            "version": app.state.versions[0],
            "commit": "stand-in",
        }

    @app.get("/{probe}")
    async def _(probe: str, request: Request) -> Response:
        if probe not in ("healthz", "livez", "readyz"):
            return _respond_not_served(request)
        return PlainTextResponse(f"{probe} check passed")


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(Unauthenticated)
    async def _(_: Request, exc: Unauthenticated) -> Response:
        return PlainTextResponse(str(exc), status_code=exc.status)

    async def handle_error(_: Request, exc: Exception) -> Response:
        prefix = "Forbidden: " if isinstance(exc, Forbidden) else ""
        return _respond_error(_STATUS[type(exc)], f"{prefix}{exc}")

    for kind in _STATUS:
        app.add_exception_handler(kind, handle_error)

    @app.exception_handler(RequestValidationError)
    async def _(_: Request, exc: RequestValidationError) -> Response:
        first = exc.errors()[0]
        where = ".".join(str(step) for step in first["loc"][1:])
        return _respond_error(400, f"Format error in JSON body: {where}: {first['msg']}")

    @app.exception_handler(404)
    @app.exception_handler(405)
    async def _(request: Request, _: Exception) -> Response:
        return _respond_not_served(request)


def _respond_not_served(request: Request) -> Response:
    return _respond_error(404, f"Not found: this stand-in does not serve {request.method} {request.url.path}")


def _respond_error(status: int, message: str) -> Response:
    return JSONResponse({"status": {"error": message}, "time": 0.0}, status_code=status)
