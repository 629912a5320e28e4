"""Tests of the notice for users without a tenant, and of the sign-in button, in the real Open WebUI."""

import uuid

import pytest
from tenantry_local.parts.open_webui import UI_TEXTS

from tests.support.backends.keycloak_users import PASSWORD
from tests.support.open_webui.clients import Person
from tests.support.timing.waiting import wait_until

from .conftest import OpenWebUIHarness

pytestmark = pytest.mark.programs

NOTICE = UI_TEXTS["TENANTRY_NO_TENANT_NOTICE"]


async def list_banners(person: Person) -> list[str]:
    return [banner["content"] for banner in await person.get("/api/v1/configs/banners")]


async def test_a_user_without_a_tenant_sees_the_notice(harness: OpenWebUIHarness) -> None:
    email = f"nemo-{uuid.uuid4().hex[:8]}@elsewhere.example"
    await harness.people.add(email)
    nemo = await harness.webui.log_in(email, PASSWORD)
    assert await nemo.list_models() == set()
    assert await list_banners(nemo) == [NOTICE]


async def test_a_member_of_a_tenant_sees_no_notice(harness: OpenWebUIHarness) -> None:
    anna = await harness.add_member("anna")
    assert await anna.list_models() == {harness.model}
    assert await list_banners(anna) == []
    assert await list_banners(harness.webui.admin) == []


async def test_the_notice_disappears_when_a_user_joins_a_tenant(harness: OpenWebUIHarness) -> None:
    email = f"late-{uuid.uuid4().hex[:8]}@office.example"
    await harness.people.add(email)
    late = await harness.webui.log_in(email, PASSWORD)
    assert await list_banners(late) == [NOTICE]
    form = {"user_ids": [late.id]}
    await harness.webui.admin.post(f"/api/v1/groups/id/{harness.group}/users/add", form)

    async def has_no_banner() -> bool:
        return await list_banners(late) == []

    await wait_until(has_no_banner)


async def test_the_sign_in_button_has_the_configured_text(harness: OpenWebUIHarness) -> None:
    async with harness.webui.make_client() as http:
        config = (await http.get("/api/config")).json()
    assert config["oauth"]["providers"]["oidc"] == UI_TEXTS["OAUTH_PROVIDER_NAME"]
