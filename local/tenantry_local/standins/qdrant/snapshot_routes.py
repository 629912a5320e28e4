"""HTTP routes for snapshots of collections."""

from typing import Annotated

from fastapi import APIRouter, File, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse

from .access import Level
from .call import AuthenticatedCall
from .snapshots import Snapshots

__all__ = ["router"]

router = APIRouter()


def get_snapshots(request: Request) -> Snapshots:
    """Return the snapshots of the application."""
    snapshots: Snapshots = request.app.state.snapshots
    return snapshots


@router.post("/collections/{name}/snapshots")
def create_snapshot(name: str, call: AuthenticatedCall, request: Request) -> Response:
    """Create a snapshot."""
    call.require(name, Level.MANAGE)
    return call.respond(get_snapshots(request).create(name))


@router.get("/collections/{name}/snapshots")
def list_snapshots(name: str, call: AuthenticatedCall, request: Request) -> Response:
    """List the snapshots of a collection."""
    call.require(name, Level.READ)
    return call.respond(get_snapshots(request).list_all(name))


@router.get("/collections/{name}/snapshots/{snapshot}")
def get_snapshot(name: str, snapshot: str, call: AuthenticatedCall, request: Request) -> Response:
    """Download a snapshot."""
    call.require(name, Level.READ)
    return FileResponse(get_snapshots(request).find(name, snapshot), media_type="application/octet-stream")


@router.delete("/collections/{name}/snapshots/{snapshot}")
def delete_snapshot(name: str, snapshot: str, call: AuthenticatedCall, request: Request) -> Response:
    """Delete a snapshot."""
    call.require(name, Level.MANAGE)
    get_snapshots(request).find(name, snapshot).unlink()
    return call.respond(result=True)


@router.post("/collections/{name}/snapshots/upload")
def restore_snapshot(
    name: str,
    call: AuthenticatedCall,
    request: Request,
    snapshot: Annotated[UploadFile, File()],
    checksum: Annotated[str | None, Query(pattern="^[0-9a-fA-F]{64}$")] = None,
) -> Response:
    """Recover a collection from an uploaded snapshot."""
    call.require(name, Level.MANAGE)
    get_snapshots(request).restore(name, snapshot.file, checksum)
    return call.respond(result=True)
