"""Tests of the client of Open WebUI: sign-in, paging, and classification of statuses."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from servicekit.errors import BackendRefused, BackendUnavailable
from tenant_operator.clients import open_webui, open_webui_session
from tenant_operator.clients.open_webui import OpenWebUI, TenantContent
from tenant_operator.clients.open_webui_session import OpenWebUISession

ACCOUNT = "admin@tenantry.example"
PASSWORD = "an0ther-s3cr3t"


class FakeOpenWebUIServer:
    """Fake server of Open WebUI."""

    def __init__(self) -> None:
        self.sign_ins: list[Any] = []
        self.account: dict[str, Any] = {"id": "me", "role": "admin"}
        self.sign_in_answers: list[httpx.Response] = []
        self.requests: list[httpx.Request] = []
        self.answers: list[httpx.Response] = []
        self.total = 70

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/auths/signin"):
            self.sign_ins.append(json.loads(request.content))
            if self.sign_in_answers:
                return self.sign_in_answers.pop(0)
            return httpx.Response(200, json=self.account | {"token": f"t{len(self.sign_ins)}"})
        self.requests.append(request)
        if self.answers:
            return self.answers.pop(0)
        first = (int(request.url.params.get("page", 1)) - 1) * 30
        entries = [{"id": str(n), "name": "[m]"} for n in range(first, min(first + 30, self.total))]
        return httpx.Response(
            200, json={"users": entries, "items": entries, "total": self.total, "id": "new"}
        )


@pytest.fixture
def server() -> FakeOpenWebUIServer:
    return FakeOpenWebUIServer()


@pytest.fixture
async def webui(server: FakeOpenWebUIServer) -> AsyncIterator[OpenWebUI]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as http:
        yield OpenWebUI(OpenWebUISession("http://webui/", ACCOUNT, PASSWORD, http))


async def test_one_sign_in_serves_many_calls(webui: OpenWebUI, server: FakeOpenWebUIServer) -> None:
    await webui.get_group("g")
    await webui.get_model("m")
    assert server.sign_ins == [{"email": ACCOUNT, "password": PASSWORD}]
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer t1"}
    assert server.requests[0].url == "http://webui/api/v1/groups/id/g/export"


async def test_an_expired_token_is_replaced_and_the_call_repeated(
    webui: OpenWebUI, server: FakeOpenWebUIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_webui_session, "SIGN_IN_DELAY_SECONDS", 0.0)
    await webui.get_group("g")
    server.answers = [httpx.Response(401)]
    assert await webui.get_group("g")
    assert len(server.sign_ins) == 2
    assert server.requests[-1].headers["authorization"] == "Bearer t2"


async def test_a_new_token_is_kept_after_a_401(webui: OpenWebUI, server: FakeOpenWebUIServer) -> None:
    server.answers = [httpx.Response(401, json={"detail": "We could not find it"})] * 3
    with pytest.raises(BackendUnavailable, match="We could not find it"):
        await webui.delete_model("m")
    assert len(server.sign_ins) == 1


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(400, json={"detail": "The email or password is incorrect"}), httpx.Response(403)],
    ids=["wrong-password", "passwords-are-off"],
)
async def test_a_refused_sign_in_is_permanent_and_not_repeated_immediately(
    answer: httpx.Response, webui: OpenWebUI, server: FakeOpenWebUIServer
) -> None:
    server.sign_in_answers = [answer]
    for _ in range(3):
        with pytest.raises(BackendRefused, match=ACCOUNT) as refused:
            await webui.get_group("g")
        assert PASSWORD not in str(refused.value)
    assert len(server.sign_ins) == 1
    assert server.requests == []


async def test_too_many_sign_ins_are_transient_and_not_repeated_immediately(
    webui: OpenWebUI, server: FakeOpenWebUIServer
) -> None:
    server.sign_in_answers = [httpx.Response(429)] * 9
    with pytest.raises(BackendUnavailable):
        await webui.get_group("g")
    assert len(server.sign_ins) == 1


async def test_an_account_without_administrator_rights_is_refused(
    webui: OpenWebUI, server: FakeOpenWebUIServer
) -> None:
    server.account = {"id": "me", "role": "user"}
    with pytest.raises(BackendRefused, match="not an administrator"):
        await webui.get_group("g")


async def test_neither_password_nor_token_is_logged(
    webui: OpenWebUI, server: FakeOpenWebUIServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers = [httpx.Response(422, json={"detail": "no"})]
    with caplog.at_level(logging.DEBUG), pytest.raises(BackendRefused) as refused:
        await webui.get_group("g")
    output = caplog.text + str(refused.value) + repr(refused.value.__cause__)
    assert PASSWORD not in output
    assert "t1" not in output.replace("http1", "")


async def test_long_lists_are_read_by_pages(webui: OpenWebUI, server: FakeOpenWebUIServer) -> None:
    assert len(await webui.search_users("@a.example")) == 70
    assert len(await webui.search_models("tenant-a")) == 70
    assert len(await webui.search_knowledge_bases("[m]")) == 70
    assert [request.url.params["page"] for request in server.requests] == ["1", "2", "3"] * 3
    assert {request.url.params.get("order_by") for request in server.requests} == {
        "email",
        "name",
        "created_at",
    }


async def test_a_knowledge_base_with_another_name_is_ignored(
    webui: OpenWebUI, server: FakeOpenWebUIServer
) -> None:
    entries = [{"id": "1", "name": "ACME: hr"}, {"id": "2", "name": "Acme: hr"}]
    server.answers = [httpx.Response(200, json={"items": entries, "total": 2})]
    assert [each["id"] for each in await webui.search_knowledge_bases("Acme: ")] == ["2"]


async def test_an_absent_object_is_returned_as_a_value(webui: OpenWebUI, server: FakeOpenWebUIServer) -> None:
    server.answers = [httpx.Response(status) for status in (404, 404, 404, 400, 404)]
    assert await webui.get_group("gone") is None
    assert await webui.get_model("gone") is None
    assert await webui.get_knowledge_base("gone") is None
    assert await webui.get_user("gone") is None
    await webui.delete_group("gone")


async def test_content_is_counted_and_deleted_by_an_action_outside_chats(
    webui: OpenWebUI, server: FakeOpenWebUIServer
) -> None:
    counted = {"accounts": 0, "chats": 1, "files": 2, "feedback": 3}
    server.answers = [httpx.Response(200, json=counted), httpx.Response(200, json=counted)]
    server.answers.append(httpx.Response(200, json={"writers": 4}))
    content = TenantContent("tenant-a", ["g"], ["k"], 7, 9)
    assert await webui.count_content(content) == counted
    assert await webui.delete_content(content) == counted
    assert await webui.close_accounts(content) == 4
    assert {str(request.url) for request in server.requests} == {
        "http://webui/api/chat/actions/tenantry_erasure"
    }
    sent = [json.loads(request.content) for request in server.requests]
    assert [each["erasure"]["step"] for each in sent] == ["count", "delete", "close"]
    assert sent[0]["erasure"] == {
        "tenant": "tenant-a", "groups": ["g"], "knowledge": ["k"], "since": 7, "until": 9,
        "step": "count",
    }  # fmt: skip
    assert sent[0]["chat_id"] == ""


@pytest.mark.parametrize("status", [400, 409, 429, 500, 503])
async def test_a_transient_status_is_retried(
    status: int, webui: OpenWebUI, server: FakeOpenWebUIServer
) -> None:
    server.answers = [httpx.Response(status)]
    assert await webui.get_model("m")
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [403, 405, 422])
async def test_a_refusal_is_not_retried(status: int, webui: OpenWebUI, server: FakeOpenWebUIServer) -> None:
    server.answers = [httpx.Response(status, json={"detail": "its own words"})]
    with pytest.raises(BackendRefused, match="its own words"):
        await webui.update_group("g", {})
    assert len(server.requests) == 1


async def test_a_creation_is_sent_once(webui: OpenWebUI, server: FakeOpenWebUIServer) -> None:
    server.answers = [httpx.Response(503)] * 3
    for make in (webui.create_group, webui.create_model, webui.create_knowledge_base):
        with pytest.raises(BackendUnavailable):
            await make({"name": "n"})
    assert len(server.requests) == 3


def make_groups_response(*names: str) -> httpx.Response:
    listed = [{"id": f"{name}{n}", "name": name, "created_at": -n} for n, name in enumerate(names)]
    return httpx.Response(200, json=listed)


async def test_groups_are_listed_once_for_many_names(webui: OpenWebUI, server: FakeOpenWebUIServer) -> None:
    server.answers = [make_groups_response("a", "b", "a")]
    assert await webui.list_group_ids("a") == ["a2", "a0"]
    assert await webui.list_group_ids("c") == []
    await webui.create_group({"name": "c"})
    assert await webui.list_group_ids("c") == ["new"]
    assert [request.method for request in server.requests] == ["GET", "POST"]


async def test_groups_are_listed_again_after_a_deletion_or_a_failed_creation(
    webui: OpenWebUI, server: FakeOpenWebUIServer
) -> None:
    server.answers = [make_groups_response("a"), httpx.Response(200, json=True), make_groups_response()]
    await webui.list_group_ids("a")
    await webui.delete_group("a0")
    assert await webui.list_group_ids("a") == []
    server.answers = [httpx.Response(503), make_groups_response("a")]
    with pytest.raises(BackendUnavailable):
        await webui.create_group({"name": "a"})
    assert await webui.list_group_ids("a") == ["a0"]


async def test_a_list_of_groups_expires(
    webui: OpenWebUI, server: FakeOpenWebUIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_webui, "GROUPS_TTL_SECONDS", 0.0)
    server.answers = [make_groups_response(), make_groups_response("a")]
    assert await webui.list_group_ids("a") == []
    assert await webui.list_group_ids("a") == ["a0"]
