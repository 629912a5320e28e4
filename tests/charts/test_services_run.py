"""Tests that services work with the chart's variables, files and RBAC rights.

A missing variable or right fails here and not in a user's cluster.
"""

import uuid
from collections.abc import Iterator

import httpx
import pytest
from tenancy.names import build_tenant_key
from tenantry_local.parts.kubernetes import run_kubectl
from tenantry_local.platform import Platform

from tests.support.backends.api_server import create_namespace
from tests.support.backends.keycloak_users import open_people
from tests.support.backends.qdrant import make_collection, open_qdrant
from tests.support.charts.pods import ChartPods
from tests.support.file_sync.replica import serve_fake_n8n
from tests.support.open_webui.database import create_fake_open_webui
from tests.support.tenants.manifests import apply_tenants, make_tenant_manifest
from tests.support.timing.waiting import wait_until


@pytest.fixture
def namespace(platform: Platform) -> Iterator[str]:
    with create_namespace(platform, "services") as name:
        yield name


async def test_the_operator_creates_and_deletes_a_tenant(platform: Platform, namespace: str) -> None:
    tenant_id = f"chart-{uuid.uuid4().hex[:8]}"
    manifest = make_tenant_manifest(
        tenant_id,
        identity={"emails": [f"*@{tenant_id}.example"]},
        quota={"compute": {"pods": "2"}},
        deletionPolicy="Delete",
    )
    async with ChartPods(platform, namespace).run_service("operator"):
        with apply_tenants(platform, manifest) as tenants:
            wait = ("wait", "--timeout=60s", f"tenant/{tenant_id}")
            run_kubectl(platform.context, *wait, "--for=condition=Ready")
            run_kubectl(
                platform.context,
                "get",
                "resourcequota,limitrange,networkpolicy",
                "-n",
                build_tenant_key(tenant_id),
            )
            tenants.patch(tenant_id, {"spec": {"quota": {"compute": {"pods": "3"}}}})
            run_kubectl(platform.context, *wait, "--for=jsonpath={.status.observedGeneration}=2")
            tenants.delete(tenant_id)
            run_kubectl(platform.context, *wait, "--for=delete")


async def test_an_upload_in_open_webui_is_cited_in_an_answer(platform: Platform, namespace: str) -> None:
    tenant_id = f"chart-{uuid.uuid4().hex[:8]}"
    person, base = f"anna@{tenant_id}.example", f"kb-{tenant_id}"
    manifest = make_tenant_manifest(tenant_id, identity={"emails": [f"*@{tenant_id}.example"]})
    with create_fake_open_webui(platform) as owui, apply_tenants(platform, manifest) as tenants:
        workspace = {"groupId": "g", "knowledge": [{"persona": "finance", "id": base}]}
        tenants.patch_status(tenant_id, {"status": {"workspace": workspace}})
        owui.create_knowledge(base)
        async with open_people(platform) as people, open_qdrant(platform) as qdrant:
            await make_collection(qdrant)
            await people.add(person)
            bearer = {"Authorization": f"Bearer {await people.fetch_token(person)}"}
            account = owui.create_account(await people.fetch_subject(person))
        owui.add_to_knowledge(owui.upload(account, "plan.txt", b"The ferry leaves at noon."), base)
        pods = ChartPods(platform, namespace, owui.url)
        async with pods.run_service("gateway") as gateway, serve_fake_n8n(get_url(gateway)) as n8n:
            pods.names = {"gateway": get_url(gateway), "n8n-webhook": n8n.url.partition("/webhook")[0]}
            async with pods.run_service("file-sync") as file_sync:

                async def is_ready() -> bool:
                    files = (await file_sync.get("/v1/files", headers=bearer)).json()["files"]
                    return [each["state"] for each in files] == ["ready"]

                await wait_until(is_ready, seconds=60, every=0.2)
            asked = {"question": "When does the ferry leave?"}
            answer = (await gateway.post("/v1/answers", json=asked, headers=bearer)).json()
            assert [each["filename"] for each in answer["citations"]] == ["plan.txt"]


def get_url(http: httpx.AsyncClient) -> str:
    return str(http.base_url).rstrip("/")
