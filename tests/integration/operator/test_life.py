"""Tests of the life of a Tenant: creation, changes, deletion and retention in the real systems."""

import pytest
from tenant_operator.parts.namespace.part import SCAN_COUNT
from tenantry_local.parts.aws import BUCKET

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed
from tests.support.tenants.part_contract import list_conditions

from .conftest import AS_DECLARED, Driver, OperatorHarness, get_conditions

FULL = {
    "identity": {"emails": ["*@life.example"], "admins": ["boss@life.example"]},
    "personas": [{"id": "finance"}, {"id": "people"}],
    "quota": {"documents": 7, "storage": "1Gi", "compute": {"requests.cpu": "2", "pods": "10"}},
}


async def test_a_new_tenant_gets_everything_that_it_declares(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    observed.add_person("ann@life.example")
    observed.add_person("boss@life.example")
    observed.add_person("eve@life.example", verified=False)
    observed.add_person("mal@life.example.evil.example")
    uid = harness.apply("life", **FULL)["metadata"]["uid"]
    tags = {"tenant": "tenant-life", "managed-by": "tenantry"}
    assert (await driver.reconcile("life")).name == "ready"
    assert observed.get_state("life") == {
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
    assert {tags["tenant-uid"] for tags in observed.get_markers("life").values()} == {uid}
    written = tenants.get("life")
    assert written
    assert written["metadata"]["finalizers"] == ["tenantry.io/operator"]
    assert get_conditions(written) == {
        "Ready": ("True", "AsDeclared"),
        "Reconciling": ("False", "UpToDate"),
        "Stalled": ("False", "NoObstacle"),
    } | dict.fromkeys(list_conditions(open_webui=False), AS_DECLARED)
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


async def test_a_second_reconcile_writes_nothing(
    driver: Driver, harness: OperatorHarness, tenants: Tenants
) -> None:
    harness.apply("twice", **{**FULL, "identity": {"emails": ["*@twice.example"]}})
    await driver.reconcile("twice")
    before = tenants.get("twice")
    await driver.reconcile("twice")
    after = tenants.get("twice")
    assert before
    assert after
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_a_changed_spec_is_applied(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    observed.add_person("ann@change.example")
    observed.add_person("bob@other.example")
    harness.apply("change", **{**FULL, "identity": {"emails": ["*@change.example"]}})
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
    await driver.reconcile_until_ready("change")
    seen = observed.get_state("change")
    assert "tenant-change/legal/documents/" in seen["storage"]
    assert seen["identity"]["members"] == ["bob@other.example"]
    assert seen["namespace"] == {}
    status = tenants.get("change")
    assert status
    assert status["status"]["quota"] == {"namespace": ""}


async def test_a_suspended_tenant_stays_ready_with_a_reason(
    driver: Driver, harness: OperatorHarness, tenants: Tenants
) -> None:
    harness.apply("paused", suspended=True)
    await driver.reconcile("paused")
    assert get_conditions(tenants.get("paused"))["Ready"] == ("True", "Suspended")


async def test_the_collection_of_a_dedicated_tenant_is_removed_with_the_tenant(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    harness.apply("own", tier="dedicated")
    await driver.reconcile("own")
    name = "digital_twin_knowledge--tenant-own"
    assert observed.get_collection(name)["indexes"] == {
        "tenantId": True,
        "tenantUid": None,
        "personaId": None,
        "documentId": None,
    }
    tenants.delete("own")
    await driver.reconcile("own")
    assert observed.get_collection(name) == {}
    assert observed.get_collection("digital_twin_knowledge")


def put_documents(observed: Observed, tenant_id: str) -> None:
    """Store two versions of a document, a deleted document, and an unfinished upload."""
    key = f"tenant-{tenant_id}/finance/documents/d1/report.txt"
    for content in (b"one", b"two"):
        observed.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    observed.s3.put_object(Bucket=BUCKET, Key=f"{key}.old", Body=b"x")
    observed.s3.delete_object(Bucket=BUCKET, Key=f"{key}.old")
    observed.s3.create_multipart_upload(Bucket=BUCKET, Key=f"{key}.part")


def use(observed: Observed, tenant_id: str, uid: str) -> None:
    """Write more keys of the gateway to Redis than one scan reads, and a key of an earlier operator."""
    prefix = f"tenant-{tenant_id}:{uid}:"
    observed.redis.hset(f"{prefix}limits", "documents", "7")
    observed.redis.hset(f"{prefix}answers", "some-question", "text of a document")
    observed.redis.set(f"{prefix}idempotency:0", "an answer")
    observed.redis.incr(f"{prefix}tokens:2026-11")
    observed.redis.mset({f"{prefix}usage:{number}": 1 for number in range(2 * SCAN_COUNT)})


async def test_delete_leaves_nothing_and_changes_no_other_tenant(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    uids = {
        "gone": harness.apply("gone", **{**FULL, "identity": {"emails": ["*@gone.example"]}})["metadata"][
            "uid"
        ],
        "gone-not": harness.apply("gone-not", identity={"emails": ["*@gone-not.example"]})["metadata"]["uid"],
    }
    for name, uid in uids.items():
        await driver.reconcile(name)
        put_documents(observed, name)
        use(observed, name, uid)
    other = observed.get_state("gone-not"), observed.find_data("gone-not")
    tenants.delete("gone")
    await driver.reconcile_until_ready("gone")
    assert tenants.get("gone") is None
    assert observed.find_data("gone") == {}
    uploads = observed.s3.list_multipart_uploads(Bucket=BUCKET, Prefix="tenant-gone/").get("Uploads", [])
    assert uploads == []
    assert (observed.get_state("gone-not"), observed.find_data("gone-not")) == other


def list_versions(observed: Observed, prefix: str) -> list[tuple[str, bytes | None]]:
    """Return key and content of every version, newest first; a delete marker has no content."""
    page = observed.s3.list_object_versions(Bucket=BUCKET, Prefix=prefix)
    found = [
        (
            each["Key"],
            observed.s3.get_object(Bucket=BUCKET, Key=each["Key"], VersionId=each["VersionId"])[
                "Body"
            ].read(),
        )
        for each in page.get("Versions", [])
    ]
    return [*found, *((each["Key"], None) for each in page.get("DeleteMarkers", []))]


async def test_a_recreated_tenant_finds_no_retained_document_and_no_document_is_lost(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    spec = {**FULL, "identity": {"emails": ["*@stay.example"]}, "deletionPolicy": "Retain"}
    uid = harness.apply("stay", **spec)["metadata"]["uid"]
    await driver.reconcile("stay")
    put_documents(observed, "stay")
    before, made = list_versions(observed, "tenant-stay/"), observed.get_state("stay")
    tenants.delete("stay")
    await driver.reconcile("stay")
    assert tenants.get("stay") is None
    assert list_versions(observed, "tenant-stay/") == before, "without a Tenant of the name nothing is moved"
    later = harness.apply("stay", **spec)["metadata"]["uid"]
    assert (await driver.reconcile("stay")).name == "ready"
    markers = {key: tags["tenant-uid"] for key, tags in observed.get_markers("stay").items()}
    assert set(markers) == set(made["storage"])
    assert set(markers.values()) == {later}
    assert {key for key, _ in list_versions(observed, "tenant-stay/")} == set(markers), (
        "no version remains, not even an old one"
    )
    aside = f"retained/tenant-stay/{uid}/"
    assert [
        (key.replace(aside, "tenant-stay/"), content) for key, content in list_versions(observed, aside)
    ] == [each for each in before if not each[0].endswith("/")]
    assert (await driver.reconcile("stay")).name == "ready"
    assert len(list_versions(observed, aside)) == len(before) - len(markers), "documents are moved once"


async def test_delete_keeps_retained_documents_of_an_earlier_tenant(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    uid = harness.apply("heir", deletionPolicy="Retain")["metadata"]["uid"]
    await driver.reconcile("heir")
    key = "tenant-heir/finance/documents/d1/report.txt"
    observed.s3.put_object(Bucket=BUCKET, Key=key, Body=b"kept")
    tenants.delete("heir")
    await driver.reconcile_until_ready("heir")
    harness.apply("heir")
    tenants.patch("heir", {"metadata": {"finalizers": ["tenantry.io/operator"]}})
    tenants.delete("heir")  # deleted before the operator prepared the storage
    await driver.reconcile("heir")
    tenants.patch("heir", {"metadata": {"finalizers": None}})
    assert (key, b"kept") in list_versions(observed, "tenant-heir/")
    harness.apply("heir")
    await driver.reconcile("heir")
    observed.s3.put_object(Bucket=BUCKET, Key=key, Body=b"of the later one")
    tenants.delete("heir")
    await driver.reconcile_until_ready("heir")
    assert list_versions(observed, "tenant-heir/") == []
    aside = key.replace("tenant-heir/", f"retained/tenant-heir/{uid}/")
    assert list_versions(observed, "retained/tenant-heir/") == [(aside, b"kept")]


async def test_a_lost_marker_moves_no_document(
    driver: Driver, harness: OperatorHarness, observed: Observed
) -> None:
    harness.apply("markless")
    await driver.reconcile("markless")
    key = "tenant-markless/finance/documents/d1/report.txt"
    observed.s3.put_object(Bucket=BUCKET, Key=key, Body=b"mine")
    observed.s3.delete_object(Bucket=BUCKET, Key="tenant-markless/")
    await driver.reconcile("markless")
    assert (key, b"mine") in list_versions(observed, "tenant-markless/")
    assert "tenant-markless/" in observed.get_state("markless")["storage"]


async def test_retain_keeps_counters_and_deletes_answers(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    uid = harness.apply("calm", deletionPolicy="Retain")["metadata"]["uid"]
    await driver.reconcile("calm")
    use(observed, "calm", uid)
    before = observed.find_data("calm")["redis"]
    tenants.delete("calm")
    await driver.reconcile("calm")
    gone = {key.split(":")[2] for key in set(before) - set(observed.find_data("calm")["redis"])}
    assert gone == {"limits", "answers", "idempotency"}
    assert {key.split(":")[2] for key in observed.find_data("calm")["redis"]} == {"usage", "tokens"}
    harness.apply("calm")


def put_points(observed: Observed, tenant_id: str, collection: str) -> None:
    """Write points of an earlier Tenant of the name: one with another uid, and one without a uid."""
    payloads: list[dict[str, str]] = [{"tenantUid": "an-earlier-one"}, {}]
    for payload in payloads:
        observed.put_point(collection, {"tenantId": f"tenant-{tenant_id}", **payload})


@pytest.mark.parametrize("tier", ["pooled", "dedicated"])
@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_no_point_outlives_its_tenant_in_any_collection(
    policy: str, tier: str, driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    """Earlier Tenants of the name may have had another tier."""
    own = "digital_twin_knowledge--tenant-both"
    harness.apply("both", tier="dedicated")
    await driver.reconcile("both")
    put_points(observed, "both", own)
    tenants.patch("both", {"metadata": {"finalizers": None}})
    # Without the finalizer nothing is removed, so the Tenant's collection becomes an orphan.
    tenants.delete("both")
    harness.apply("both", tier=tier, deletionPolicy=policy)
    await driver.reconcile("both")
    put_points(observed, "both", "digital_twin_knowledge")
    tenants.delete("both")
    await driver.reconcile_until_ready("both")
    assert "qdrant" not in observed.find_data("both")
    assert observed.get_collection(own) == {}


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_a_tenant_that_was_never_reconciled_is_deleted_immediately(
    policy: str, harness: OperatorHarness, tenants: Tenants
) -> None:
    harness.apply("fleeting", deletionPolicy=policy)
    tenants.delete("fleeting")
    assert tenants.get("fleeting") is None
