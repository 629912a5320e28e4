"""A manifest goes in; what the outside has, and the status, come out. And all of it goes again."""

import pytest
from tenant_operator.parts.namespace.part import SCANNED
from tenantry_local.parts.aws import BUCKET

from tests.support.apiserver import Tenants
from tests.support.world import World

from .conftest import Driver, Stage, conditions

FULL = {
    "identity": {"emails": ["*@life.example"], "admins": ["boss@life.example"]},
    "personas": [{"id": "finance"}, {"id": "people"}],
    "quota": {"documents": 7, "storage": "1Gi", "compute": {"requests.cpu": "2", "pods": "10"}},
}


async def test_everything_that_a_tenant_declares_is_made(
    driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    world.add_person("ann@life.example")
    world.add_person("boss@life.example")
    world.add_person("eve@life.example", verified=False)
    world.add_person("mal@life.example.evil.example")
    uid = stage.apply("life", **FULL)["metadata"]["uid"]
    tags = {"tenant": "tenant-life", "managed-by": "tenantry"}
    assert (await driver.reconcile("life")).name == "ready"
    assert world.look("life") == {
        "storage": {
            "tenant-life/": tags,
            "tenant-life/finance/documents/": tags,
            "tenant-life/people/documents/": tags,
        },
        "vectors": {
            "size": 768, "words": "idf", "m": 0, "payload_m": 16,
            "indexes": {"tenantId": True, "tenantUid": None, "personaId": None, "documentId": None},
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
    assert {tags["tenant-uid"] for tags in world.markers("life").values()} == {uid}
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
    assert written["status"]["storage"] == {"bucket": BUCKET, "prefix": "tenant-life/", "tenantUid": uid}
    assert written["status"]["vectors"]["filter"] == {
        "must": [
            {"key": "tenantId", "match": {"value": "tenant-life"}},
            {"key": "tenantUid", "match": {"value": uid}},
        ]
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
    assert world.collection(name)["indexes"] == {
        "tenantId": True,
        "tenantUid": None,
        "personaId": None,
        "documentId": None,
    }
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
    (limits,) = world.limits_keys(tenant_id)
    prefix = limits.removesuffix("limits")
    world.redis.hset(f"{prefix}answers", "some-question", "text of a document")
    world.redis.set(f"{prefix}idempotency:0", "what was answered")
    world.redis.incr(f"{prefix}tokens:2026-11")
    world.redis.mset({f"{prefix}usage:{number}": 1 for number in range(2 * SCANNED)})


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


def versions(world: World, prefix: str) -> list[tuple[str, bytes | None]]:
    """Return key and content of every version under a prefix, the newest first; a delete marker has none."""
    page = world.s3.list_object_versions(Bucket=BUCKET, Prefix=prefix)
    found = [
        (
            each["Key"],
            world.s3.get_object(Bucket=BUCKET, Key=each["Key"], VersionId=each["VersionId"])["Body"].read(),
        )
        for each in page.get("Versions", [])
    ]
    return [*found, *((each["Key"], None) for each in page.get("DeleteMarkers", []))]


async def test_a_tenant_made_again_finds_nothing_of_the_one_that_was_retained_and_no_document_is_lost(
    driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    spec = {**FULL, "identity": {"emails": ["*@stay.example"]}, "deletionPolicy": "Retain"}
    uid = stage.apply("stay", **spec)["metadata"]["uid"]
    await driver.reconcile("stay")
    put_documents(world, "stay")
    before, made = versions(world, "tenant-stay/"), world.look("stay")
    tenants.delete("stay")
    await driver.reconcile("stay")
    assert tenants.get("stay") is None
    assert versions(world, "tenant-stay/") == before, "nobody takes the name: everything stays where it was"
    later = stage.apply("stay", **spec)["metadata"]["uid"]
    assert (await driver.reconcile("stay")).name == "ready"
    markers = {key: tags["tenant-uid"] for key, tags in world.markers("stay").items()}
    assert set(markers) == set(made["storage"])
    assert set(markers.values()) == {later}
    assert {key for key, _ in versions(world, "tenant-stay/")} == set(markers), (
        "no version is left, not even an old one"
    )
    aside = f"retained/tenant-stay/{uid}/"
    assert [(key.replace(aside, "tenant-stay/"), content) for key, content in versions(world, aside)] == [
        each for each in before if not each[0].endswith("/")
    ]
    assert (await driver.reconcile("stay")).name == "ready"
    assert len(versions(world, aside)) == len(before) - len(markers), "it is done once"


async def test_delete_takes_nothing_along_that_an_earlier_tenant_has_left(
    driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    uid = stage.apply("heir", deletionPolicy="Retain")["metadata"]["uid"]
    await driver.reconcile("heir")
    key = "tenant-heir/finance/documents/d1/report.txt"
    world.s3.put_object(Bucket=BUCKET, Key=key, Body=b"kept")
    tenants.delete("heir")
    await driver.settle("heir")
    stage.apply("heir")
    tenants.patch("heir", {"metadata": {"finalizers": ["tenantry.io/operator"]}})
    tenants.delete("heir")  # before its storage was ever prepared
    await driver.reconcile("heir")
    tenants.patch("heir", {"metadata": {"finalizers": None}})
    assert (key, b"kept") in versions(world, "tenant-heir/")
    stage.apply("heir")
    await driver.reconcile("heir")
    world.s3.put_object(Bucket=BUCKET, Key=key, Body=b"of the later one")
    tenants.delete("heir")
    await driver.settle("heir")
    assert versions(world, "tenant-heir/") == []
    aside = key.replace("tenant-heir/", f"retained/tenant-heir/{uid}/")
    assert versions(world, "retained/tenant-heir/") == [(aside, b"kept")]


async def test_a_marker_that_was_lost_takes_no_document_from_its_tenant(
    driver: Driver, stage: Stage, world: World
) -> None:
    stage.apply("markless")
    await driver.reconcile("markless")
    key = "tenant-markless/finance/documents/d1/report.txt"
    world.s3.put_object(Bucket=BUCKET, Key=key, Body=b"mine")
    world.s3.delete_object(Bucket=BUCKET, Key="tenant-markless/")
    await driver.reconcile("markless")
    assert (key, b"mine") in versions(world, "tenant-markless/")
    assert "tenant-markless/" in world.look("markless")["storage"]


async def test_retain_keeps_counters_and_no_answer(
    driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    stage.apply("calm", deletionPolicy="Retain")
    await driver.reconcile("calm")
    use(world, "calm")
    before = world.left("calm")["redis"]
    tenants.delete("calm")
    await driver.reconcile("calm")
    gone = {key.split(":")[2] for key in set(before) - set(world.left("calm")["redis"])}
    assert gone == {"limits", "answers", "idempotency"}
    assert {key.split(":")[2] for key in world.left("calm")["redis"]} == {"usage", "tokens"}
    stage.apply("calm")


def plant_points(world: World, tenant_id: str, collection: str) -> None:
    """Leave points of an earlier Tenant of a name: its uid is another, or it is of before there were any."""
    payloads: list[dict[str, str]] = [{"tenantUid": "an-earlier-one"}, {}]
    for payload in payloads:
        world.put_point(collection, {"tenantId": f"tenant-{tenant_id}", **payload})


@pytest.mark.parametrize("tier", ["pooled", "dedicated"])
@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_no_point_outlives_its_tenant_wherever_it_lies(
    policy: str, tier: str, driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    """The tier of a Tenant says nothing of where earlier ones of its name have left points."""
    own = "digital_twin_knowledge--tenant-both"
    stage.apply("both", tier="dedicated")
    await driver.reconcile("both")
    plant_points(world, "both", own)
    tenants.patch("both", {"metadata": {"finalizers": None}})
    tenants.delete("both")  # nothing was cleared: its collection is an orphan
    stage.apply("both", tier=tier, deletionPolicy=policy)
    await driver.reconcile("both")
    plant_points(world, "both", "digital_twin_knowledge")
    tenants.delete("both")
    await driver.settle("both")
    assert "qdrant" not in world.left("both")
    assert world.collection(own) == {}


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_a_tenant_that_was_never_reconciled_goes_at_once(
    policy: str, stage: Stage, tenants: Tenants
) -> None:
    stage.apply("fleeting", deletionPolicy=policy)
    tenants.delete("fleeting")
    assert tenants.get("fleeting") is None
