"""Tests of the erasure of people's content in the real Open WebUI."""

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed
from tests.support.open_webui.observed import ObservedOpenWebUI

from ..conftest import Driver, OperatorHarness

pytestmark = pytest.mark.programs

MARKER = "marker-of-the-gone"
OTHER = "marker-of-the-other"
KEPT = "marker-of-the-retained"

GONE: dict[str, Any] = {"identity": {"emails": ["*@gone.example"]}, "personas": [{"id": "finance"}]}
STAYS: dict[str, Any] = {"identity": {"emails": ["*@stays.example"]}, "personas": [{"id": "finance"}]}


@dataclass
class Accounts:
    """Accounts and content of the people of two tenants."""

    webui: ObservedOpenWebUI
    people: dict[str, str] = field(default_factory=dict)

    def create_account(self, email: str, subject: str = "") -> str:
        """Create an account; return its access token."""
        self.webui.drop_user(email)
        self.people[email] = self.webui.add_user(email, subject)
        return self.webui.fetch_user_token(email)

    def create_chat(self, token: str, model: str, text: str, *files: str, recorded: bool = True) -> str:
        """Create a chat in the way of Open WebUI's page; return the chat's id."""
        question, answer = str(uuid.uuid4()), str(uuid.uuid4())
        sent = [{"type": "file", "id": each, "file": {"id": each}} for each in files]
        messages = {
            question: {
                "id": question, "role": "user", "content": text, "models": [model], "parentId": None,
                "childrenIds": [answer], "files": sent, "timestamp": int(time.time()),
            },
            answer: {
                "id": answer, "role": "assistant", "content": text, "model": model, "parentId": question,
                "childrenIds": [], "done": True, "timestamp": int(time.time()),
                "sources": [{"document": [text]}],
            },
        }  # fmt: skip
        chat = {"title": text, "models": [model], "history": {"messages": messages, "currentId": answer}}
        made = self.webui.call_as_person(token, "POST", "/chats/new", json={"chat": chat})
        chat_id = str(made["id"])
        for file_id in files:
            self.webui.run_sql(
                "insert into chat_file (id, user_id, chat_id, message_id, file_id, created_at, updated_at) "
                f"select '{uuid.uuid4()}', user_id, id, '{question}', '{file_id}', 1, 1 from chat "
                f"where id = '{chat_id}'"
            )
        if not recorded:
            self.webui.run_sql(f"delete from chat_message where chat_id = '{chat_id}'")
        return chat_id

    def replace_model(self, token: str, chat_id: str, model: str) -> None:
        """Replace the model of every message of a chat, as its owner can."""
        chat = self.webui.call_as_person(token, "GET", f"/chats/{chat_id}")["chat"]
        for message in chat["history"]["messages"].values():
            message.update({"models": [model]} if message["role"] == "user" else {"model": model})
        form = {"chat": chat | {"models": [model]}}
        self.webui.call_as_person(token, "POST", f"/chats/{chat_id}", json=form)

    def upload(self, token: str, text: str, **metadata: str) -> str:
        """Upload a file; return the file's id."""
        files = {"file": (f"{text[:40]}.txt", text.encode(), "text/plain")}
        form = {"metadata": json.dumps(metadata)} if metadata else {}
        params = {"process_in_background": "false"}
        made = self.webui.call_as_person(token, "POST", "/files/", files=files, data=form, params=params)
        return str(made["id"])

    def create_feedback(self, token: str, model: str, text: str) -> str:
        """Write feedback about an answer; return the feedback's id."""
        form = {
            "type": "rating", "data": {"rating": 1, "model_id": model, "reason": text},
            "meta": {}, "snapshot": {"chat": {"title": text}},
        }  # fmt: skip
        return str(self.webui.call_as_person(token, "POST", "/evaluations/feedback", json=form)["id"])


@pytest.fixture
def accounts(webui: ObservedOpenWebUI) -> Iterator[Accounts]:
    opened = Accounts(webui)
    yield opened
    for email, user_id in opened.people.items():
        webui.run_sql(f"delete from file where user_id = '{user_id}'")
        webui.drop_user(email)


async def create_tenants(
    driver: Driver, harness: OperatorHarness, observed: Observed, **people: str
) -> dict[str, str]:
    """Apply both Tenants; return the people's ids in Keycloak by name."""
    subjects = {name: observed.add_person(email) for name, email in people.items()}
    harness.apply("gone", **GONE)
    harness.apply("stays", **STAYS)
    for name in ("gone", "stays"):
        assert (await driver.reconcile(name)).name == "ready"
    return subjects


async def delete_tenant(driver: Driver, tenants: Tenants, name: str, seconds: float = 30) -> None:
    tenants.delete(name)
    await driver.reconcile_until_ready(name, seconds)
    assert tenants.get(name) is None


async def test_chats_files_feedback_folders_and_accounts_are_deleted_with_the_tenant(
    driver: Driver,
    harness: OperatorHarness,
    tenants: Tenants,
    observed: Observed,
    accounts: Accounts,
    webui: ObservedOpenWebUI,
) -> None:
    subjects = await create_tenants(
        driver, harness, observed, ann="ann@gone.example", bob="bob@stays.example"
    )
    ann = accounts.create_account("ann@gone.example", subjects["ann"])
    bob = accounts.create_account("bob@stays.example", subjects["bob"])
    for name in ("gone", "stays"):
        await driver.reconcile(name)
    for token, tenant, text in ((ann, "gone", MARKER), (bob, "stays", OTHER)):
        model = f"tenant-{tenant}.finance"
        sent = accounts.upload(token, f"{text} sent in a chat")
        accounts.upload(token, f"{text} in no knowledge base")
        known = accounts.upload(token, f"{text} of the knowledge base")
        base = webui.get_base(tenant)["id"]
        webui.call("POST", f"/knowledge/{base}/file/add", json={"file_id": known})
        chat = accounts.create_chat(token, model, text, sent)
        accounts.create_chat(token, model, f"{text} unrecorded", recorded=False)
        accounts.create_chat(token, "another-model", f"{text} of another model")
        webui.call_as_person(token, "POST", f"/chats/{chat}/tags", json={"name": text})
        webui.call_as_person(token, "POST", "/folders/", json={"name": text})
        accounts.create_feedback(token, model, text)
    assert webui.scan(MARKER)
    before = webui.scan(OTHER)
    assert before
    await delete_tenant(driver, tenants, "gone")
    assert webui.scan(MARKER) == {}
    assert webui.scan("ann@gone.example") == {}
    assert webui.scan(OTHER) == before


async def test_a_person_who_moved_keeps_the_account_and_the_other_tenants_content(
    driver: Driver,
    harness: OperatorHarness,
    tenants: Tenants,
    observed: Observed,
    accounts: Accounts,
    webui: ObservedOpenWebUI,
) -> None:
    subjects = await create_tenants(driver, harness, observed, ann="ann@stays.example")
    ann = accounts.create_account("ann@stays.example", subjects["ann"])
    await driver.reconcile("stays")
    accounts.create_chat(ann, "tenant-gone.finance", MARKER, accounts.upload(ann, f"{MARKER} sent then"))
    accounts.create_chat(ann, "tenant-gone.finance", f"{MARKER} unrecorded", recorded=False)
    accounts.create_feedback(ann, "tenant-gone.finance", MARKER)
    base = webui.get_base("gone")["id"]
    known = accounts.upload(ann, f"{MARKER} of the knowledge base")
    webui.call("POST", f"/knowledge/{base}/file/add", json={"file_id": known})
    accounts.upload(ann, f"{OTHER} that only names the knowledge base", about=base)
    coming = accounts.upload(ann, f"{MARKER} on its way", about=base)
    webui.run_sql(
        f"""update file set meta = jsonb_set(meta::jsonb, '{{data,knowledge_id}}', '"{base}"')::json """
        f"where id = '{coming}'"
    )
    both = accounts.upload(ann, f"{OTHER} that both tenants hold")
    for tenant in ("gone", "stays"):
        webui.call("POST", f"/knowledge/{webui.get_base(tenant)['id']}/file/add", json={"file_id": both})
    accounts.create_chat(ann, "tenant-stays.finance", OTHER, accounts.upload(ann, f"{OTHER} sent now"))
    accounts.create_chat(
        ann, "tenant-stays.finance", f'{OTHER} asks about "tenant-gone.finance"', recorded=False
    )
    accounts.upload(ann, f"{OTHER} in no knowledge base")
    accounts.create_feedback(ann, "tenant-stays.finance", f'{OTHER} is better than "tenant-gone.finance"')
    before = webui.scan(OTHER)
    await delete_tenant(driver, tenants, "gone")
    assert webui.scan(MARKER) == {}
    # The link to the deleted knowledge base contains no text.
    assert webui.scan(OTHER) == before
    assert webui.scan("ann@stays.example")


@pytest.mark.parametrize("edit", ["rewritten", "added"])
async def test_a_forged_model_name_protects_no_content(
    driver: Driver,
    harness: OperatorHarness,
    tenants: Tenants,
    observed: Observed,
    accounts: Accounts,
    webui: ObservedOpenWebUI,
    edit: str,
) -> None:
    """Once, a member who wrote another tenant's model into a stored answer kept all content."""
    subjects = await create_tenants(driver, harness, observed, ann="ann@gone.example")
    ann = accounts.create_account("ann@gone.example", subjects["ann"])
    await driver.reconcile("gone")
    chat_id = accounts.create_chat(ann, "tenant-gone.finance", MARKER, accounts.upload(ann, f"{MARKER} sent"))
    accounts.upload(ann, f"{MARKER} in no knowledge base")
    webui.call_as_person(ann, "POST", "/folders/", json={"name": MARKER})
    if edit == "rewritten":
        accounts.replace_model(ann, chat_id, "tenant-elsewhere.finance")
    else:
        accounts.create_chat(ann, "tenant-stays.finance", MARKER)
    await delete_tenant(driver, tenants, "gone")
    assert webui.scan(MARKER) == {}
    assert webui.scan("ann@gone.example") == {}


async def test_a_member_from_another_tenant_keeps_only_older_content(
    driver: Driver,
    harness: OperatorHarness,
    tenants: Tenants,
    observed: Observed,
    accounts: Accounts,
    webui: ObservedOpenWebUI,
) -> None:
    harness.apply("stays", **STAYS)
    await driver.reconcile("stays")
    ann = accounts.create_account("ann@gone.example", observed.add_person("ann@gone.example"))
    accounts.create_chat(ann, "tenant-stays.finance", OTHER, accounts.upload(ann, f"{OTHER} sent"))
    before = webui.scan(OTHER)
    await asyncio.sleep(1.1)  # times are in seconds
    harness.apply("gone", **GONE)
    await driver.reconcile("gone")
    chat_id = accounts.create_chat(ann, "tenant-gone.finance", MARKER, accounts.upload(ann, f"{MARKER} sent"))
    accounts.upload(ann, f"{MARKER} in no knowledge base")
    accounts.replace_model(ann, chat_id, "tenant-stays.finance")
    await delete_tenant(driver, tenants, "gone")
    assert webui.scan(MARKER) == {}
    assert webui.scan(OTHER) == before
    assert webui.scan("ann@gone.example")


async def test_content_of_a_former_member_is_deleted(
    driver: Driver,
    harness: OperatorHarness,
    tenants: Tenants,
    observed: Observed,
    accounts: Accounts,
    webui: ObservedOpenWebUI,
) -> None:
    await create_tenants(driver, harness, observed)
    left = accounts.create_account("left@gone.example")
    accounts.create_chat(left, "tenant-gone.finance", MARKER)
    accounts.upload(left, f"{MARKER} in no knowledge base")
    await delete_tenant(driver, tenants, "gone")
    assert webui.scan(MARKER) == {}
    assert webui.scan("left@gone.example") == {}


async def test_content_of_a_deleted_account_is_deleted(
    driver: Driver,
    harness: OperatorHarness,
    tenants: Tenants,
    observed: Observed,
    accounts: Accounts,
    webui: ObservedOpenWebUI,
) -> None:
    await create_tenants(driver, harness, observed)
    left = accounts.create_account("left@gone.example")
    accounts.create_chat(left, "tenant-gone.finance", MARKER, accounts.upload(left, f"{MARKER} sent"))
    webui.drop_user("left@gone.example")
    assert webui.scan(MARKER)
    await delete_tenant(driver, tenants, "gone")
    assert webui.scan(MARKER) == {}


async def test_an_administrators_account_stays(
    driver: Driver,
    harness: OperatorHarness,
    tenants: Tenants,
    observed: Observed,
    accounts: Accounts,
    webui: ObservedOpenWebUI,
) -> None:
    await create_tenants(driver, harness, observed)
    root = accounts.create_account("root@gone.example")
    user = webui.call("GET", f"/users/{accounts.people['root@gone.example']}")
    form = {"role": "admin", "name": user["name"], "email": user["email"], "profile_image_url": ""}
    webui.call("POST", f"/users/{user['id']}/update", json=form)
    accounts.create_chat(root, "tenant-gone.finance", MARKER)
    await delete_tenant(driver, tenants, "gone")
    assert webui.scan(MARKER) == {}
    assert webui.scan("root@gone.example")


async def test_retained_content_survives_a_later_tenant_of_the_name(
    driver: Driver,
    harness: OperatorHarness,
    tenants: Tenants,
    observed: Observed,
    accounts: Accounts,
    webui: ObservedOpenWebUI,
) -> None:
    subject = observed.add_person("ann@remained.example")
    spec = {"identity": {"emails": ["*@remained.example"]}, "personas": [{"id": "finance"}]}
    harness.apply("left", **spec | {"deletionPolicy": "Retain"})
    await driver.reconcile("left")
    ann = accounts.create_account("ann@remained.example", subject)
    await driver.reconcile("left")
    accounts.create_chat(ann, "tenant-left.finance", KEPT, accounts.upload(ann, f"{KEPT} sent"))
    accounts.create_feedback(ann, "tenant-left.finance", KEPT)
    before = webui.scan(KEPT)
    assert before.keys() >= {"chat", "file", "feedback"}
    await delete_tenant(driver, tenants, "left")
    assert webui.scan(KEPT) == before
    await asyncio.sleep(1.1)  # times are in seconds
    harness.apply("left", **spec | {"identity": {"emails": ["*@again.example"]}})
    await driver.reconcile("left")
    await delete_tenant(driver, tenants, "left")
    assert webui.scan(KEPT) == before


class Writers:
    """Accounts that send requests in a loop until they are stopped."""

    def __init__(self, webui: ObservedOpenWebUI) -> None:
        self._http = httpx.AsyncClient(base_url=f"{webui.url}/api/v1", timeout=60)
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = False

    def upload(self, token: str, text: str, base: str = "") -> Counter[int]:
        """Start to upload files, with or without a knowledge base; return a counter of the statuses."""
        form = {"metadata": json.dumps({"knowledge_id": base})} if base else {}

        async def send(turn: int) -> httpx.Response:
            content = (text + " ") * (1 if turn % 3 else 60_000)
            files = {"file": (f"{text} {uuid.uuid4()}.txt", content.encode(), "text/plain")}
            return await self._http.post("/files/", files=files, data=form, headers=_make_headers(token))

        return self._repeat(send)

    def write_about_model(self, token: str, model: str, text: str) -> Counter[int]:
        """Start to write chats and feedback that name a model; return a counter of the statuses."""
        chat = {"title": text, "models": [model], "history": {"messages": {}, "currentId": None}}
        rating = {"type": "rating", "data": {"rating": 1, "model_id": model}, "meta": {}, "snapshot": {}}

        async def send(turn: int) -> httpx.Response:
            path, form = ("/chats/new", {"chat": chat}) if turn % 2 else ("/evaluations/feedback", rating)
            return await self._http.post(path, json=form, headers=_make_headers(token))

        return self._repeat(send)

    async def stop(self) -> None:
        """Send no more requests, and wait for running requests."""
        self._stopped = True
        await asyncio.gather(*self._tasks)
        await self._http.aclose()

    def _repeat(self, send: Callable[[int], Awaitable[httpx.Response]]) -> Counter[int]:
        statuses: Counter[int] = Counter()

        async def send_repeatedly() -> None:
            turn = 0
            while not self._stopped:
                turn += 1
                statuses[(await send(turn)).status_code] += 1
                await asyncio.sleep(0.05)

        self._tasks.append(asyncio.create_task(send_repeatedly()))
        return statuses


def _make_headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def writers(webui: ObservedOpenWebUI) -> AsyncIterator[Writers]:
    opened = Writers(webui)
    yield opened
    await opened.stop()


async def test_concurrent_writers_are_refused_and_do_not_delay_the_erasure(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed, accounts: Accounts,
    webui: ObservedOpenWebUI, writers: Writers,
) -> None:  # fmt: skip
    """Once, a Tenant still existed after 150 seconds because three members uploaded files."""
    emails = [f"{name}@busy.example" for name in ("ann", "bea", "cay", "dan")]
    tokens = [accounts.create_account(email, observed.add_person(email)) for email in emails]
    harness.apply("busy", identity={"emails": ["*@busy.example"]}, personas=[{"id": "finance"}])
    await driver.reconcile("busy")
    base = webui.get_base("busy")["id"]
    sent = [
        writers.upload(tokens[0], MARKER, base),
        writers.upload(tokens[1], MARKER),
        writers.upload(tokens[2], MARKER, base),
        writers.write_about_model(tokens[3], "tenant-busy.finance", MARKER),
    ]
    await asyncio.sleep(3)
    assert all(statuses[200] for statuses in sent)
    await delete_tenant(driver, tenants, "busy", seconds=90)
    accepted = [statuses[200] for statuses in sent]
    await asyncio.sleep(2)
    await writers.stop()
    assert [statuses[200] for statuses in sent] == accepted
    assert all(statuses[401] for statuses in sent)
    assert webui.scan(MARKER) == {}
    for email in emails:
        assert webui.scan(email) == {}


async def test_writers_of_another_tenant_are_not_affected(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed, accounts: Accounts,
    webui: ObservedOpenWebUI, writers: Writers,
) -> None:  # fmt: skip
    subjects = await create_tenants(
        driver, harness, observed, ann="ann@stays.example", bob="bob@stays.example"
    )
    ann, bob = (accounts.create_account(f"{name}@stays.example", subjects[name]) for name in ("ann", "bob"))
    for tenant in ("gone", "stays"):
        await driver.reconcile(tenant)
    (group,) = webui.list_groups("gone")
    form = {"user_ids": [accounts.people["ann@stays.example"]]}
    webui.call("POST", f"/groups/id/{group['id']}/users/add", json=form)
    into_gone = writers.upload(ann, MARKER, webui.get_base("gone")["id"])
    own = writers.upload(ann, OTHER, webui.get_base("stays")["id"])
    claimed = writers.write_about_model(bob, "tenant-gone.finance", OTHER)
    await asyncio.sleep(3)
    assert into_gone[200]
    assert own[200]
    assert claimed[200]
    await delete_tenant(driver, tenants, "gone", seconds=90)
    accepted, worked = into_gone[200], own[200]
    await asyncio.sleep(2)
    await writers.stop()
    assert into_gone[200] == accepted
    assert into_gone[403]
    assert own[200] > worked
    assert set(own) == set(claimed) == {200}
    assert webui.scan(MARKER) == {}
    assert webui.scan("ann@stays.example")


async def test_a_closed_account_is_reopened_for_another_tenant_of_its_person(
    driver: Driver, harness: OperatorHarness, observed: Observed, accounts: Accounts, webui: ObservedOpenWebUI
) -> None:
    subjects = await create_tenants(driver, harness, observed, ann="ann@gone.example")
    ann = accounts.create_account("ann@gone.example", subjects["ann"])
    await driver.reconcile("gone")
    user_id = accounts.people["ann@gone.example"]
    erasure = {"groups": [webui.list_groups("gone")[0]["id"]], "step": "close"}
    assert webui.call_action("tenantry_erasure", _make_form(**erasure)).json() == {"writers": 1}
    assert webui.call_action("tenantry_erasure", _make_form(**erasure)).json() == {"writers": 0}
    assert webui.get_status(ann, "/chats/") == 401
    assert webui.get_status(webui.fetch_user_token("ann@gone.example"), "/chats/") == 401
    stays = webui.list_groups("stays")[0]["id"]
    webui.call("POST", f"/groups/id/{stays}/users/add", json={"user_ids": [user_id]})
    assert webui.call_action("tenantry_erasure", _make_form(**erasure)).json() == {"writers": 0}
    assert webui.get_status(webui.fetch_user_token("ann@gone.example"), "/chats/") == 200


async def test_only_an_administrator_can_call_the_action(
    accounts: Accounts, webui: ObservedOpenWebUI
) -> None:
    token = accounts.create_account("eve@stays.example")
    body = _make_form(step="delete")
    models: tuple[dict[str, Any], ...] = ({}, {"id": "tenantry_erasure", "direct": True})
    for model in models:
        answer = webui.call_action("tenantry_erasure", body | {"model_item": model}, token)
        assert answer.status_code == 400
        assert "files" not in answer.text


def _make_form(**erasure: Any) -> dict[str, Any]:
    """Return the body of the operator's call of the action for the Tenant ``gone``."""
    asked = {"tenant": "tenant-gone", "groups": [], "knowledge": [], "since": 0, "until": 2**40} | erasure
    model = {"id": "tenantry_erasure", "direct": True}
    return {
        "model": "tenantry_erasure", "model_item": model, "chat_id": "", "id": "", "session_id": "",
        "erasure": asked,
    }  # fmt: skip
