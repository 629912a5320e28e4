"""What people left in the real Open WebUI goes with a Tenant under Delete, and only that."""

import asyncio
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.apiserver import Tenants
from tests.support.workspace import WebUi
from tests.support.world import World

from ..conftest import Driver, Stage

pytestmark = pytest.mark.programs

MARKER = "marker-of-the-gone"
OTHER = "marker-of-the-neighbour"
KEPT = "marker-of-the-retained"

GONE: dict[str, Any] = {"identity": {"emails": ["*@gone.example"]}, "personas": [{"id": "finance"}]}
STAYS: dict[str, Any] = {"identity": {"emails": ["*@stays.example"]}, "personas": [{"id": "finance"}]}


@dataclass
class Office:
    """Two tenants, and the people of both."""

    webui: WebUi
    people: dict[str, str] = field(default_factory=dict)

    def log_in(self, email: str, subject: str = "") -> str:
        """Make an account; return its access token."""
        self.webui.drop_user(email)
        self.people[email] = self.webui.add_user(email, subject)
        return self.webui.person_token(email)

    def chat(self, token: str, model: str, text: str, *files: str, recorded: bool = True) -> str:
        """Write a chat as Open WebUI's page does; return its id."""
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
        made = self.webui.as_person(token, "POST", "/chats/new", json={"chat": chat})
        chat_id = str(made["id"])
        for file_id in files:
            self.webui.sql(
                "insert into chat_file (id, user_id, chat_id, message_id, file_id, created_at, updated_at) "
                f"select '{uuid.uuid4()}', user_id, id, '{question}', '{file_id}', 1, 1 from chat "
                f"where id = '{chat_id}'"
            )
        if not recorded:
            self.webui.sql(f"delete from chat_message where chat_id = '{chat_id}'")
        return chat_id

    def upload(self, token: str, text: str, **metadata: str) -> str:
        """Send a file; return its id."""
        files = {"file": (f"{text[:40]}.txt", text.encode(), "text/plain")}
        form = {"metadata": json.dumps(metadata)} if metadata else {}
        params = {"process_in_background": "false"}
        made = self.webui.as_person(token, "POST", "/files/", files=files, data=form, params=params)
        return str(made["id"])

    def rate(self, token: str, model: str, text: str) -> str:
        """Give feedback about an answer; return its id."""
        form = {
            "type": "rating", "data": {"rating": 1, "model_id": model, "reason": text},
            "meta": {}, "snapshot": {"chat": {"title": text}},
        }  # fmt: skip
        return str(self.webui.as_person(token, "POST", "/evaluations/feedback", json=form)["id"])


@pytest.fixture
def office(webui: WebUi) -> Iterator[Office]:
    opened = Office(webui)
    yield opened
    for email, user_id in opened.people.items():
        webui.sql(f"delete from file where user_id = '{user_id}'")
        webui.drop_user(email)


async def begin(driver: Driver, stage: Stage, world: World, **people: str) -> dict[str, str]:
    """Apply both Tenants; return the people's ids in Keycloak by name."""
    subjects = {name: world.add_person(email) for name, email in people.items()}
    stage.apply("gone", **GONE)
    stage.apply("stays", **STAYS)
    for name in ("gone", "stays"):
        assert (await driver.reconcile(name)).name == "ready"
    return subjects


async def delete(driver: Driver, tenants: Tenants, name: str) -> None:
    tenants.delete(name)
    await driver.settle(name)
    assert tenants.get(name) is None


async def test_chats_files_feedback_folders_and_accounts_go_with_the_tenant(
    driver: Driver, stage: Stage, tenants: Tenants, world: World, office: Office, webui: WebUi
) -> None:
    """Issue 18, A5."""
    subjects = await begin(driver, stage, world, ann="ann@gone.example", bob="bob@stays.example")
    ann = office.log_in("ann@gone.example", subjects["ann"])
    bob = office.log_in("bob@stays.example", subjects["bob"])
    for name in ("gone", "stays"):
        await driver.reconcile(name)
    for token, tenant, text in ((ann, "gone", MARKER), (bob, "stays", OTHER)):
        model = f"tenant-{tenant}.finance"
        sent = office.upload(token, f"{text} sent in a chat")
        office.upload(token, f"{text} sent to nobody")
        known = office.upload(token, f"{text} of the knowledge base")
        base = webui.base(tenant)["id"]
        webui.call("POST", f"/knowledge/{base}/file/add", json={"file_id": known})
        chat = office.chat(token, model, text, sent)
        office.chat(token, model, f"{text} unrecorded", recorded=False)
        office.chat(token, "another-model", f"{text} of another model")
        webui.as_person(token, "POST", f"/chats/{chat}/tags", json={"name": text})
        webui.as_person(token, "POST", "/folders/", json={"name": text})
        office.rate(token, model, text)
    assert webui.scan(MARKER)
    before = webui.scan(OTHER)
    assert before
    await delete(driver, tenants, "gone")
    assert webui.scan(MARKER) == {}
    assert webui.scan("ann@gone.example") == {}
    assert webui.scan(OTHER) == before


async def test_who_moved_keeps_the_account_and_what_belongs_to_the_other_tenant(
    driver: Driver, stage: Stage, tenants: Tenants, world: World, office: Office, webui: WebUi
) -> None:
    subjects = await begin(driver, stage, world, ann="ann@stays.example")
    ann = office.log_in("ann@stays.example", subjects["ann"])
    await driver.reconcile("stays")
    office.chat(ann, "tenant-gone.finance", MARKER, office.upload(ann, f"{MARKER} sent then"))
    office.chat(ann, "tenant-gone.finance", f"{MARKER} unrecorded", recorded=False)
    office.rate(ann, "tenant-gone.finance", MARKER)
    base = webui.base("gone")["id"]
    known = office.upload(ann, f"{MARKER} of the knowledge base")
    webui.call("POST", f"/knowledge/{base}/file/add", json={"file_id": known})
    office.upload(ann, f"{MARKER} on its way", knowledge_id=base)
    both = office.upload(ann, f"{OTHER} that both tenants hold")
    for tenant in ("gone", "stays"):
        webui.call("POST", f"/knowledge/{webui.base(tenant)['id']}/file/add", json={"file_id": both})
    office.chat(ann, "tenant-stays.finance", OTHER, office.upload(ann, f"{OTHER} sent now"))
    office.chat(ann, "tenant-stays.finance", f'{OTHER} asks about "tenant-gone.finance"', recorded=False)
    office.upload(ann, f"{OTHER} sent to nobody")
    office.rate(ann, "tenant-stays.finance", f'{OTHER} is better than "tenant-gone.finance"')
    before = webui.scan(OTHER)
    await delete(driver, tenants, "gone")
    assert webui.scan(MARKER) == {}
    # The link to the knowledge base that is gone names no text.
    assert webui.scan(OTHER) == before
    assert webui.scan("ann@stays.example")


async def test_who_left_the_company_before_is_erased_too(
    driver: Driver, stage: Stage, tenants: Tenants, world: World, office: Office, webui: WebUi
) -> None:
    await begin(driver, stage, world)
    left = office.log_in("left@gone.example")
    office.chat(left, "tenant-gone.finance", MARKER)
    office.upload(left, f"{MARKER} sent to nobody")
    await delete(driver, tenants, "gone")
    assert webui.scan(MARKER) == {}
    assert webui.scan("left@gone.example") == {}


async def test_what_an_account_left_behind_when_it_was_deleted_goes_too(
    driver: Driver, stage: Stage, tenants: Tenants, world: World, office: Office, webui: WebUi
) -> None:
    await begin(driver, stage, world)
    left = office.log_in("left@gone.example")
    office.chat(left, "tenant-gone.finance", MARKER, office.upload(left, f"{MARKER} sent"))
    webui.drop_user("left@gone.example")
    assert webui.scan(MARKER)
    await delete(driver, tenants, "gone")
    assert webui.scan(MARKER) == {}


async def test_an_administrators_account_stays(
    driver: Driver, stage: Stage, tenants: Tenants, world: World, office: Office, webui: WebUi
) -> None:
    await begin(driver, stage, world)
    root = office.log_in("root@gone.example")
    user = webui.call("GET", f"/users/{office.people['root@gone.example']}")
    form = {"role": "admin", "name": user["name"], "email": user["email"], "profile_image_url": ""}
    webui.call("POST", f"/users/{user['id']}/update", json=form)
    office.chat(root, "tenant-gone.finance", MARKER)
    await delete(driver, tenants, "gone")
    assert webui.scan(MARKER) == {}
    assert webui.scan("root@gone.example")


async def test_under_retain_nothing_of_it_is_touched_and_a_later_tenant_of_the_name_leaves_it(
    driver: Driver, stage: Stage, tenants: Tenants, world: World, office: Office, webui: WebUi
) -> None:
    subjects = await begin(driver, stage, world, ann="ann@gone.example")
    tenants.patch("gone", {"spec": {"deletionPolicy": "Retain"}})
    ann = office.log_in("ann@gone.example", subjects["ann"])
    await driver.reconcile("gone")
    office.chat(ann, "tenant-gone.finance", KEPT, office.upload(ann, f"{KEPT} sent"))
    office.rate(ann, "tenant-gone.finance", KEPT)
    before = webui.scan(KEPT)
    assert before.keys() >= {"chat", "file", "feedback"}
    await delete(driver, tenants, "gone")
    assert webui.scan(KEPT) == before
    await asyncio.sleep(1.1)  # times are in seconds
    stage.apply("gone", **GONE | {"identity": {"emails": ["*@again.example"]}})
    await driver.reconcile("gone")
    await delete(driver, tenants, "gone")
    assert webui.scan(KEPT) == before


async def test_nobody_but_an_administrator_can_call_the_action(office: Office, webui: WebUi) -> None:
    token = office.log_in("eve@stays.example")
    erasure = {"tenant": "tenant-gone", "groups": [], "knowledge": [], "since": 0, "delete": True}
    body = {
        "model": "tenantry_erasure", "chat_id": "", "id": "", "session_id": "", "erasure": erasure,
    }  # fmt: skip
    for direct in ({}, {"model_item": {"id": "tenantry_erasure", "direct": True}}):
        answer = webui.action("tenantry_erasure", token, body | direct)
        assert answer.status_code == 400
        assert "files" not in answer.text
