"""Routes of the cluster's state, and the difference between versions that Tenantry depends on."""

import re

from fastapi import APIRouter, Request, Response
from qdrant_client import models

from .call import AuthenticatedCall

__all__ = ["drop_unknown_params", "router"]

router = APIRouter()

IDF_VERSION = (1, 19)
"""First version that knows ``params.idf``. An older one ignores it, like every unknown field."""


@router.get("/cluster")
def get_cluster(call: AuthenticatedCall) -> Response:
    """Return the state of the cluster: this server runs without cluster mode."""
    call.access.require_global()
    return call.respond({"status": "disabled"})


@router.get("/cluster/telemetry")
def get_cluster_telemetry(request: Request, call: AuthenticatedCall) -> Response:
    """Describe the peers with their versions. It needs the right to read everything."""
    call.access.require_global()
    peers = {
        str(number): {
            "uri": f"http://peer-{number}:6335/",
            "responsive": True,
            "details": {
                "version": version,
                "is_voter": True,
                "term": 1,
                "commit": 1,
                "num_pending_operations": 0,
                "consensus_thread_status": {
                    "consensus_thread_status": "working",
                    "last_update": "2026-11-30T00:00:00Z",
                },
            },
        }
        for number, version in enumerate(request.app.state.versions, 1)
    }
    cluster = {"enabled": True, "number_of_peers": len(peers), "peers": peers}
    return call.respond({"collections": {}, "cluster": cluster})


def drop_unknown_params(query: models.QueryRequest, version: str) -> models.QueryRequest:
    """Return a query without the parameters that a version of Qdrant does not know."""
    if _parse_version(version) >= IDF_VERSION:
        return query
    prefetch = query.prefetch if isinstance(query.prefetch, list) else [query.prefetch]
    parts = [_drop_in_prefetch(part) for part in prefetch if part]
    return query.model_copy(update={"params": _drop_idf(query.params), "prefetch": parts or None})


def _drop_in_prefetch(prefetch: models.Prefetch) -> models.Prefetch:
    return prefetch.model_copy(update={"params": _drop_idf(prefetch.params)})


def _drop_idf(params: models.SearchParams | None) -> models.SearchParams | None:
    return params and params.model_copy(update={"idf": None})


def _parse_version(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:2]))
