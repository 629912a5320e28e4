"""What is refused at Open WebUI's door, as its router would see it; everything else passes."""

import importlib.util
from collections.abc import AsyncIterator, Iterator
from types import ModuleType

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from tenantry_local.parts.open_webui import LARGEST_FILE_MIB

from tools.chart_schema import CHART

FILE = CHART / "charts" / "open-webui" / "files" / "door.py"
ADDRESSES = "everybody's addresses"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("door", FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


door = _load()


def behind() -> FastAPI:
    """Return an application with the routes that matter, as Open WebUI has them."""
    app = FastAPI()

    @app.get("/api/v1/users/search")
    async def _() -> PlainTextResponse:
        return PlainTextResponse(ADDRESSES)

    @app.get("/api/v1/users/{user_id}/profile/image")
    async def _(user_id: str) -> PlainTextResponse:
        return PlainTextResponse(user_id)

    @app.post("/api/v1/files/")
    async def _(request: Request) -> PlainTextResponse:
        try:
            return PlainTextResponse(str(len(await request.body())))
        except ClientDisconnect:
            return PlainTextResponse("gone", status_code=400)

    return app


@pytest.fixture
def small_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """A door for less, so that no test carries fifty megabytes about."""
    monkeypatch.setattr(door, "LARGEST_BODY", 1000)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(door.Door(behind()))
    async with httpx.AsyncClient(transport=transport, base_url="http://chat.example.com") as client:
        yield client


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/users/search",
        "/api/v1/users/search?query=a",
        "/api/v1/users/%73earch",
        "/%61pi/v1/%75sers/search",
        "/api/v1/users%2Fsearch",
        "/api/v1/users/search%0A",
        "/api/v1/users/search/",
    ],
)
async def test_nobody_looks_up_everybody(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path, follow_redirects=True)
    assert answer.status_code == 403
    assert ADDRESSES not in answer.text


async def test_without_the_door_it_would_be_told() -> None:
    transport = httpx.ASGITransport(behind())
    async with httpx.AsyncClient(transport=transport, base_url="http://chat.example.com") as client:
        for path in ("/api/v1/users/%73earch", "/api/v1/users/search%0A"):
            assert (await client.get(path)).text == ADDRESSES


async def test_what_else_there_is_of_people_passes(http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/v1/users/search-me/profile/image")).status_code == 403
    assert (await http.get("/api/v1/users/ann/profile/image")).text == "ann"


@pytest.mark.usefixtures("small_door")
async def test_a_body_of_the_largest_size_passes_and_a_larger_one_does_not(http: httpx.AsyncClient) -> None:
    assert (await http.post("/api/v1/files/", content=b"x" * 1000)).text == "1000"
    assert (await http.post("/api/v1/files/", content=b"x" * 1001)).status_code == 413


@pytest.mark.usefixtures("small_door")
async def test_who_does_not_say_how_much_it_is_is_stopped_in_the_middle(http: httpx.AsyncClient) -> None:
    given = 0

    def endless() -> Iterator[bytes]:
        nonlocal given
        for _ in range(100):
            given += 100
            yield b"x" * 100

    async def chunks() -> AsyncIterator[bytes]:
        for chunk in endless():
            yield chunk

    answer = await http.post("/api/v1/files/", content=chunks())
    assert (answer.status_code, answer.text) == (400, "gone")
    assert given <= 1200


def test_a_file_of_the_largest_size_fits_with_its_form() -> None:
    assert 0 < door.LARGEST_BODY - LARGEST_FILE_MIB * 1024 * 1024 <= 2 * 1024 * 1024


async def test_what_is_no_request_passes() -> None:
    seen = []

    async def app(scope: dict[str, str], _receive: object, _send: object) -> None:
        seen.append(scope["type"])

    for kind in ("lifespan", "websocket"):
        await door.Door(app)({"type": kind}, None, None)
    assert seen == ["lifespan", "websocket"]
