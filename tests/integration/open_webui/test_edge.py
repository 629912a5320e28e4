"""Tests that CloudFront, AWS WAF and the load balancer fit the real Open WebUI."""

import ast
import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tenantry_infra.stacks import INFRA
from tenantry_infra.template import Template
from tenantry_local.programs import open_webui

from tests.support.aws.web_acl import BODY_RULES, QUERY_RULES, is_blocked

from .conftest import OpenWebUIHarness

pytestmark = pytest.mark.programs

DISTRIBUTION = Template.load(INFRA / "cloudformation" / "edge-global.yaml").document["Resources"][
    "Distribution"
]["Properties"]["DistributionConfig"]
CACHED = [behavior["PathPattern"].removesuffix("*") for behavior in DISTRIBUTION["CacheBehaviors"]]

SWITCHED_OFF = {"/ollama/models/upload", "/ollama/models/upload/{url_idx}"}
"""Uploads outside of the API. The chart sets ENABLE_OLLAMA_API to false."""

OTHER_QUERIES = {"/openai/models/{url_idx}"}
"""Routes outside of the API with text in the query: an administrator deletes a provider's model."""

DEFAULT_KEEP_ALIVE_SECONDS = 5
"""Time after which uvicorn closes an idle connection by default."""


@pytest.fixture(scope="module")
def package() -> Path:
    """Return the folder of the installed Open WebUI."""
    program = open_webui.install(print)
    (folder,) = program.parents[1].glob("lib/python3.*/site-packages/open_webui")
    return folder


def iter_routes(package: Path) -> Iterator[tuple[str, ast.AsyncFunctionDef]]:
    """Yield the path and the function of each route, from Open WebUI's source."""
    source = (package / "main.py").read_text()
    prefixes = dict(re.findall(r"include_router\((\w+)\.router, prefix='([^']+)'", source))
    files = {package / "main.py": ""}
    for name, prefix in prefixes.items():
        module = package / "routers" / name
        modules = module.glob("*.py") if module.is_dir() else [module.with_suffix(".py")]
        files |= dict.fromkeys(modules, prefix)
    for file, prefix in files.items():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.AsyncFunctionDef):
                for decorator in node.decorator_list:
                    match decorator:
                        case ast.Call(
                            func=ast.Attribute(value=ast.Name(id="router" | "app")),
                            args=[ast.Constant(value=str(path)), *_],
                        ) if path.startswith("/") or not path:
                            yield prefix + path, node


def is_upload(function: ast.AsyncFunctionDef) -> bool:
    annotations = [argument.annotation for argument in function.args.args if argument.annotation]
    return any("UploadFile" in ast.unparse(annotation) for annotation in annotations)


def list_text_parameters(path: str, function: ast.AsyncFunctionDef) -> list[str]:
    """Return the parameters of a route for text in the query: neither in the path nor injected."""
    positional = function.args.args
    defaults = [None] * (len(positional) - len(function.args.defaults)) + function.args.defaults
    return [
        argument.arg
        for argument, default in zip(positional, defaults, strict=True)
        if argument.annotation and re.match(r"(Optional\[)?str\b", ast.unparse(argument.annotation))
        if f"{{{argument.arg}" not in path and "Depends" not in (ast.unparse(default) if default else "")
    ]


def test_every_search_of_open_webui_passes_the_web_acl(package: Path) -> None:
    searches = {
        path: parameters
        for path, function in iter_routes(package)
        if (parameters := list_text_parameters(path, function))
    }
    assert searches["/api/v1/chats/search"] == ["text"]
    assert "query" in searches["/api/v1/knowledge/search/files"]
    assert len(searches) > 20
    assert {path for path in searches for rule in QUERY_RULES if is_blocked(path, rule)} <= OTHER_QUERIES


def test_a_browser_can_search_in_open_webui_from_its_address_bar(package: Path) -> None:
    (path,) = re.findall(
        r'method="get" template="\{webui_url\}([^"?]+)\?q=', (package / "main.py").read_text()
    )
    assert [rule for rule in QUERY_RULES if is_blocked(path, rule)] == []


def test_every_upload_of_open_webui_passes_the_web_acl(package: Path) -> None:
    uploads = {path for path, function in iter_routes(package) if is_upload(function)}
    assert "/api/v1/files/" in uploads
    assert "/api/v1/audio/transcriptions" in uploads
    blocked = {path for path in uploads for rule in BODY_RULES if is_blocked(path, rule)}
    assert blocked <= SWITCHED_OFF


def test_no_route_of_a_user_has_a_cached_path(package: Path) -> None:
    paths = {path for path, _ in iter_routes(package)}
    assert len(paths) > 300
    assert "/api/v1/chats/{id}" in paths
    assert [path for path in paths if any(path.startswith(prefix) for prefix in CACHED)] == []


def test_the_cached_paths_are_folders_of_the_package(package: Path) -> None:
    for prefix in CACHED:
        assert (package / "frontend" / prefix.strip("/")).is_dir(), prefix


def test_the_browser_uses_only_websockets_which_need_no_sticky_session(package: Path) -> None:
    """Without WebSockets, the browser polls, and all requests of a session must reach one pod."""
    scripts = (
        file.read_text() for file in (package / "frontend" / "_app" / "immutable" / "nodes").glob("*.js")
    )
    (transports,) = {
        found
        for script in scripts
        for found in re.findall(r'"/ws/socket\.io",transports:(\w+\?\[[^:]+)', script)
    }
    assert transports.endswith('?["websocket"]')


async def test_requests_of_a_user_pass_the_web_acl(harness: OpenWebUIHarness) -> None:
    person, paths = await harness.add_member("ute"), list[str]()

    async def record(request: httpx.Request) -> None:
        paths.append(urlsplit(str(request.url)).path)

    person.http.event_hooks["request"].append(record)
    text = "<script>alert(1)</script> ${jndi:ldap://x} ' or 1=1 -- ../../etc/passwd http://169.254.169.254/ "
    await person.upload("incident.txt", text.encode() * 1000)
    await person.ask_in_chat(harness.model, text)
    assert len(paths) >= 3
    assert [path for path in paths for rule in BODY_RULES if is_blocked(path, rule)] == []


async def test_open_webui_searches_for_sql_as_for_any_other_text(harness: OpenWebUIHarness) -> None:
    """AWS WAF does not check it, so Open WebUI alone keeps SQL in a search from its database."""
    person = await harness.add_member("lin")
    for text in (
        "select * from users",
        "a' OR 1=1 --",
        "a') OR ('a'='a",
        "../../etc/passwd",
        "http://10.0.0.1/",
    ):
        response = await person.http.get("/api/v1/chats/search", params={"text": text})
        assert (response.status_code, response.json()) == (200, []), text


async def test_a_cached_file_is_the_same_for_everybody(harness: OpenWebUIHarness, package: Path) -> None:
    person = await harness.add_member("kai")
    async with httpx.AsyncClient(base_url=harness.webui.url) as anonymous:
        for prefix in CACHED:
            folder = package / "frontend" / prefix.strip("/")
            file = min(file for file in folder.rglob("*.*") if file.is_file() and file.suffix != ".map")
            path = f"{prefix}{file.relative_to(folder).as_posix()}"
            found = [await client.get(path) for client in (anonymous, person.http)]
            for response in found:
                assert response.status_code == 200, path
                assert "set-cookie" not in response.headers
                assert "text/html" not in response.headers["content-type"]
                assert "cache-control" not in response.headers, "the policy's default time applies"
            assert found[0].content == found[1].content


async def test_a_missing_style_sheet_is_a_page_that_forbids_to_be_cached(harness: OpenWebUIHarness) -> None:
    """CloudFront respects it only with a least time of 0. In a rollout, an old pod lacks the new names."""
    async with httpx.AsyncClient(base_url=harness.webui.url) as client:
        response = await client.get("/_app/immutable/assets/0.of-the-next-version.css")
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-cache")
    assert "text/html" in response.headers["content-type"]


async def test_an_idle_connection_stays_open(harness: OpenWebUIHarness) -> None:
    """The load balancer uses its connections again, and answers 502 if Open WebUI has just closed one."""
    url: Any = urlsplit(harness.webui.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    for pause in (0.0, DEFAULT_KEEP_ALIVE_SECONDS + 1.0):
        await asyncio.sleep(pause)
        writer.write(f"GET /health HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("http/1.1 200")
        (length,) = re.findall(r"content-length: (\d+)", head)
        await reader.readexactly(int(length))
    writer.close()
    await writer.wait_closed()
