"""What somebody without a tenant reads in the real Open WebUI, and what its sign-in button says."""

import uuid

import pytest
from tenantry_local.parts.open_webui import UI_TEXTS

from tests.support.open_webui import Person
from tests.support.people import PASSWORD
from tests.support.waiting import until

from .conftest import Office

pytestmark = pytest.mark.programs

NOTICE = UI_TEXTS["TENANTRY_NO_TENANT_NOTICE"]


async def shown(person: Person) -> list[str]:
    return [banner["content"] for banner in await person.get("/api/v1/configs/banners")]


async def test_who_has_no_tenant_reads_why_the_chat_is_empty_and_whom_to_ask(office: Office) -> None:
    email = f"nemo-{uuid.uuid4().hex[:8]}@elsewhere.example"
    await office.people.add(email)
    nemo = await office.webui.log_in(email, PASSWORD)
    assert await nemo.models() == set()
    assert await shown(nemo) == [NOTICE]


async def test_who_has_a_tenant_reads_nothing_of_it(office: Office) -> None:
    anna = await office.join("anna")
    assert await anna.models() == {office.model}
    assert await shown(anna) == []
    assert await shown(office.webui.admin) == []


async def test_who_gets_a_tenant_meanwhile_no_longer_reads_it(office: Office) -> None:
    email = f"late-{uuid.uuid4().hex[:8]}@office.example"
    await office.people.add(email)
    late = await office.webui.log_in(email, PASSWORD)
    assert await shown(late) == [NOTICE]
    form = {"user_ids": [late.id]}
    await office.webui.admin.post(f"/api/v1/groups/id/{office.group}/users/add", form)

    async def is_quiet() -> bool:
        return await shown(late) == []

    await until(is_quiet)


async def test_the_button_to_sign_in_has_the_words_of_the_setting(office: Office) -> None:
    async with office.webui.client() as http:
        config = (await http.get("/api/config")).json()
    assert config["oauth"]["providers"]["oidc"] == UI_TEXTS["OAUTH_PROVIDER_NAME"]
