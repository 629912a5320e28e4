"""A manifest goes in; what the outside has, and the status, come out. And all of it goes again."""

import pytest
from tenant_operator.parts.quota import SCANNED
from tenantry_local.parts.aws import BUCKET

from tests.support.apiserver import Tenants
from tests.support.world import World

from .conftest import Driver, Stage, conditions

FULL = {
    "identity": {"emails": ["*@life.example"], "admins": ["boss@life.example"]},
    "personas": [{"id": "finance"}, {"id": "people"}],
    "quota": {"documents": 7, "storage": "1Gi", "compute": {"requests.cpu": "2", "pods": "10"}},
}
TAGS = {"tenant": "tenant-life", "managed-by": "tenantry"}


async def test_everything_that_a_tenant_declares_is_made(
    driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    world.add_person("ann@life.example")
    world.add_person("boss@life.example")
    world.add_person("eve@life.example", verified=False)
    world.add_person("mal@life.example.evil.example")
    uid = stage.apply("life", **FULL)["metadata"]["uid"]
    assert (await driver.reconcile("life")).name == "ready"
    assert world.look("life") == {
        "storage": {
            "tenant-life/": TAGS,
            "tenant-life/finance/documents/": TAGS,
            "tenant-life/people/documents/": TAGS,
        },
        "vectors": {
            "size": 768, "words": "idf", "m": 0, "payload_m": 16,
            "indexes": {"tenantId": True, "personaId": None, "documentId": None},
        },
        "identity": {
            "attributes": {"tenant": ["life"], "tenant-uid": [uid], "managed-by": ["tenantry"]},
            "members": ["ann@life.example", "boss@life.example"],
            "children": {"admins": ["boss@life.example"]},
            "copies": 1,
        },
        "limits": {
            "documents": "7", "storageBytes": str(2**30),
            "queriesPerMinute": "60", "tokensPerMonth": "5000000",
        },
        "namespace": {
            "ResourceQuota": {"hard": {"requests.cpu": "2", "pods": "10"}},
            "LimitRange": {
                "limits": [{
                    "type": "Container",
                    "default": {"cpu": "500m", "memory": "512Mi"},
                    "defaultRequest": {"cpu": "100m", "memory": "128Mi"},
                }]
            },
            "NetworkPolicy": {
                "podSelector": {}, "policyTypes": ["Ingress", "Egress"],
                "egress": [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}],
            },
            "ServiceAccount": {},
        },
    }  # fmt: skip
    written = tenants.get("life")
    assert written
    assert written["metadata"]["finalizers"] == ["tenantry.io/operator"]
    assert conditions(written) == {
        "Ready": ("True", "AsDeclared"),
        "Reconciling": ("False", "UpToDate"),
        "Stalled": ("False", "NoObstacle"),
        "StorageReady": ("True", "AsDeclared"),
        "VectorsReady": ("True", "AsDeclared"),
        "IdentityReady": ("True", "AsDeclared"),
        "QuotaReady": ("True", "AsDeclared"),
        "WorkspaceReady": ("False", "NotConfigured"),
    }
    assert written["status"]["observedGeneration"] == written["metadata"]["generation"]
    assert written["status"]["storage"] == {"bucket": BUCKET, "prefix": "tenant-life/"}
    assert written["status"]["vectors"]["filter"] == {
        "must": [{"key": "tenantId", "match": {"value": "tenant-life"}}]
    }
    assert written["status"]["identity"]["groupPath"] == "/tenants/tenant-life"
    assert written["status"]["quota"] == {"namespace": "tenant-life"}


async def test_a_second_reconcile_writes_nothing(driver: Driver, stage: Stage, tenants: Tenants) -> None:
    stage.apply("twice", **{**FULL, "identity": {"emails": ["*@twice.example"]}})
    await driver.reconcile("twice")
    before = tenants.get("twice")
    await driver.reconcile("twice")
    after = tenants.get("twice")
    assert before
    assert after
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_a_changed_spec_is_followed(
    driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    world.add_person("ann@change.example")
    world.add_person("bob@other.example")
    stage.apply("change", **{**FULL, "identity": {"emails": ["*@change.example"]}})
    await driver.reconcile("change")
    tenants.patch(
        "change",
        {
            "spec": {
                "identity": {"emails": ["*@other.example"]},
                "personas": [{"id": "finance"}, {"id": "legal"}],
                "quota": {"documents": 9, "compute": None},
            }
        },
    )
    await driver.settle("change")
    seen = world.look("change")
    assert "tenant-change/legal/documents/" in seen["storage"]
    assert seen["identity"]["members"] == ["bob@other.example"]
    assert seen["limits"]["documents"] == "9"
    assert seen["namespace"] == {}
    status = tenants.get("change")
    assert status
    assert status["status"]["quota"] == {"namespace": ""}


async def test_a_suspended_tenant_stays_ready_and_says_so(
    driver: Driver, stage: Stage, tenants: Tenants
) -> None:
    stage.apply("paused", suspended=True)
    await driver.reconcile("paused")
    assert conditions(tenants.get("paused"))["Ready"] == ("True", "Suspended")


async def test_a_dedicated_tenant_has_a_collection_of_its_own_and_takes_it_along(
    driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    stage.apply("own", tier="dedicated")
    await driver.reconcile("own")
    name = "digital_twin_knowledge--tenant-own"
    assert world.collection(name)["indexes"] == {"tenantId": True, "personaId": None, "documentId": None}
    tenants.delete("own")
    await driver.reconcile("own")
    assert world.collection(name) == {}
    assert world.collection("digital_twin_knowledge")


def put_documents(world: World, tenant_id: str) -> None:
    """Store two versions of a document, a deleted one, and an upload that never finished."""
    key = f"tenant-{tenant_id}/finance/documents/d1/report.txt"
    for content in (b"one", b"two"):
        world.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    world.s3.put_object(Bucket=BUCKET, Key=f"{key}.old", Body=b"x")
    world.s3.delete_object(Bucket=BUCKET, Key=f"{key}.old")
    world.s3.create_multipart_upload(Bucket=BUCKET, Key=f"{key}.part")


def use(world: World, tenant_id: str) -> None:
    """Write what a gateway writes to Redis, and more keys than are looked at in one call."""
    world.redis.hset(f"tenant-{tenant_id}:answers", "some-question", "text of a document")
    world.redis.incr(f"tenant-{tenant_id}:tokens:2026-11")
    world.redis.mset({f"tenant-{tenant_id}:usage:{number}": 1 for number in range(2 * SCANNED)})


async def test_delete_leaves_nothing_and_touches_no_neighbour(
    driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    stage.apply("gone", **{**FULL, "identity": {"emails": ["*@gone.example"]}})
    stage.apply("gone-not", identity={"emails": ["*@gone-not.example"]})
    for name in ("gone", "gone-not"):
        await driver.reconcile(name)
        put_documents(world, name)
        use(world, name)
    neighbour = world.look("gone-not"), world.left("gone-not")
    tenants.delete("gone")
    await driver.settle("gone")
    assert tenants.get("gone") is None
    assert world.left("gone") == {}
    uploads = world.s3.list_multipart_uploads(Bucket=BUCKET, Prefix="tenant-gone/").get("Uploads", [])
    assert uploads == []
    assert (world.look("gone-not"), world.left("gone-not")) == neighbour


async def test_retain_leaves_all_and_a_tenant_of_the_same_name_finds_it(
    driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    spec = {**FULL, "identity": {"emails": ["*@stay.example"]}, "deletionPolicy": "Retain"}
    stage.apply("stay", **spec)
    await driver.reconcile("stay")
    put_documents(world, "stay")
    before = world.look("stay"), world.left("stay")
    tenants.delete("stay")
    await driver.reconcile("stay")
    assert tenants.get("stay") is None
    assert (world.look("stay"), world.left("stay")) == before
    again = stage.apply("stay", **spec)
    assert (await driver.reconcile("stay")).name == "ready"
    before[0]["identity"]["attributes"]["tenant-uid"] = [again["metadata"]["uid"]]
    assert (world.look("stay"), world.left("stay")) == before


async def test_retain_keeps_counters_and_no_answer(
    driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    stage.apply("calm", deletionPolicy="Retain")
    await driver.reconcile("calm")
    use(world, "calm")
    before = world.left("calm")["redis"]
    tenants.delete("calm")
    await driver.reconcile("calm")
    assert set(before) - set(world.left("calm")["redis"]) == {"tenant-calm:answers"}
    stage.apply("calm")


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_a_tenant_that_was_never_reconciled_goes_at_once(
    policy: str, stage: Stage, tenants: Tenants
) -> None:
    stage.apply("fleeting", deletionPolicy=policy)
    tenants.delete("fleeting")
    assert tenants.get("fleeting") is None
