"""Tests of names and keys: names of different tenants never collide."""

import uuid
from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenancy import names

DAY = date(2026, 3, 7)

ids = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)
segments = st.text(min_size=0, max_size=20)


@st.composite
def draw_two_ids(draw: st.DrawFn) -> tuple[str, str]:
    """Draw two different ids, often one a prefix of the other, to detect a missing slash."""
    first = draw(ids)
    related = st.sampled_from([f"{first}{tail}"[:40] for tail in ("0", "-0", "a", "-documents0")])
    second = draw(st.one_of(related, ids).filter(lambda other: other != first and not other.endswith("-")))
    return first, second


UID = "0b1f"

MAKERS: dict[str, Callable[[str], str]] = {
    "tenant_key": names.build_tenant_key,
    "tenant_prefix": names.build_tenant_prefix,
    "persona_prefix": lambda tenant: names.build_persona_prefix(tenant, "finance"),
    "object_key": lambda tenant: names.build_object_key(tenant, "finance", "d1", "a.md"),
    "collection_name": lambda tenant: names.build_collection_name(tenant, dedicated=True),
    "group_path": names.build_group_path,
    "admins_group_path": names.build_admins_group_path,
    "rate_key": lambda tenant: names.build_rate_key(tenant, UID),
    "tokens_key": lambda tenant: names.build_tokens_key(tenant, UID, DAY),
    "reservations_key": lambda tenant: names.build_reservations_key(tenant, UID, DAY),
    "answers_key": lambda tenant: names.build_answers_key(tenant, UID),
    "changes_key": lambda tenant: names.build_changes_key(tenant, UID),
    "storage_quota_key": lambda tenant: names.build_storage_quota_key(tenant, UID),
    "ingests_key": lambda tenant: names.build_ingests_key(tenant, UID),
    "failures_key": lambda tenant: names.build_failures_key(tenant, UID),
    "idempotency_key": lambda tenant: names.build_idempotency_key(tenant, UID, "0" * 64),
    "usage_key": lambda tenant: names.build_usage_key(tenant, UID, DAY),
    "deletions_key": lambda tenant: names.build_deletions_key(tenant, UID),
    "held_deletions_key": lambda tenant: names.build_held_deletions_key(tenant, UID),
    "released_deletions_key": lambda tenant: names.build_released_deletions_key(tenant, UID),
    "trash_sweep_key": lambda tenant: names.build_trash_sweep_key(tenant, UID),
    "tombstone_key": lambda tenant: names.build_tombstone_key(tenant, UID),
    "removals_prefix": lambda tenant: names.build_removals_prefix(tenant, UID),
    "removal_key": lambda tenant: names.build_removal_key(tenant, UID, "d1", "r1"),
    "embeddings_prefix": lambda tenant: names.build_embeddings_prefix(tenant, UID),
    "embeddings_key": lambda tenant: names.build_embeddings_key(tenant, UID, "d1", "r1"),
    "trash_end": names.build_trash_end_key,
    "retained_prefix": lambda tenant: names.build_retained_prefix(tenant, UID),
    "erasure_receipt_key": lambda tenant: names.build_erasure_receipt_key(tenant, UID),
    "document_id": lambda tenant: names.derive_document_id(tenant, "finance", "a.md"),
    "commit_marker_id": lambda tenant: names.derive_commit_marker_id(tenant, UID, "d1"),
    "point_id": lambda tenant: names.derive_point_id(tenant, UID, "d1", "v1", 1),
}

NO_IDS = [
    "",
    "A",
    "tenantB",
    "a.b",
    "-a",
    "a-",
    "a_b",
    "a/b",
    "..",
    "../b",
    "a b",
    "a\n",
    "ä",
    "a\x00",
    "\N{FULLWIDTH DIGIT ONE}",
    "t" * 41,
]


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("no_id", NO_IDS)
def test_an_invalid_tenant_id_is_refused(make: Callable[[str], str], no_id: str) -> None:
    with pytest.raises(ValueError, match="is no tenant id"):
        make(no_id)


@given(pair=draw_two_ids())
def test_names_of_two_tenants_differ(pair: tuple[str, str]) -> None:
    first, second = pair
    shared = [name for name, make in MAKERS.items() if make(first) == make(second)]
    assert shared == []


@given(pair=draw_two_ids())
def test_no_prefix_of_a_tenant_is_a_prefix_of_another(pair: tuple[str, str]) -> None:
    first, second = map(names.build_tenant_prefix, pair)
    assert not first.startswith(second)
    assert not second.startswith(first)


def test_names_match_the_design() -> None:
    assert names.build_tenant_key("tenantb") == "tenant-tenantb"
    assert names.build_tenant_prefix("tenantb") == "tenant-tenantb/"
    assert names.build_object_key("tenantb", "finance", "d1", "Budget 2026.pdf") == (
        "tenant-tenantb/finance/documents/d1/Budget 2026.pdf"
    )
    assert names.build_collection_name("tenantb", dedicated=False) == "digital_twin_knowledge"
    assert names.build_collection_name("tenantb", dedicated=True) == "digital_twin_knowledge--tenant-tenantb"
    assert names.build_admins_group_path("tenantb") == "/tenants/tenant-tenantb/admins"


@given(tenant=ids, persona=segments, document=segments, filename=segments)
def test_object_key_stays_under_the_persona_or_is_refused(
    tenant: str, persona: str, document: str, filename: str
) -> None:
    try:
        key = names.build_object_key(tenant, persona, document, filename)
    except ValueError:
        return
    assert key.split("/") == [f"tenant-{tenant}", persona, "documents", document, filename]
    assert not {"", ".", ".."} & set(key.split("/"))


@pytest.mark.parametrize("segment", ["", ".", "..", "a/b", "/", "a\x00b", "a\nb", "a\x7fb"])
@pytest.mark.parametrize("place", range(3), ids=["persona", "document", "filename"])
def test_a_segment_with_path_characters_is_refused(segment: str, place: int) -> None:
    parts = ["finance", "d1", "a.md"]
    parts[place] = segment
    with pytest.raises(ValueError, match="cannot be part of an object key"):
        names.build_object_key("tenantb", *parts)


@given(tenant=ids)
def test_a_group_path_is_parsed_to_its_tenant(tenant: str) -> None:
    assert names.parse_group_path(names.build_group_path(tenant)) == tenant
    assert names.parse_group_path(names.build_admins_group_path(tenant)) == tenant


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/tenants",
        "/tenants/",
        "/tenants/tenant-",
        "/tenants/tenantb",
        "/tenants/tenant-tenantb/",
        "/tenants/tenant-tenantb/readers",
        "/tenants/tenant-tenantb/admins/more",
        "/tenants/tenant-tenantb/adminsX",
        "/tenants/tenant-TENANTB",
        "/tenants/tenant-tenantb\n",
        "tenants/tenant-tenantb",
        "/other/tenants/tenant-tenantb",
        "/tenants/x/tenant-tenantb",
        f"/tenants/tenant-{'t' * 41}",
    ],
)
def test_another_path_is_parsed_to_none(path: str) -> None:
    assert names.parse_group_path(path) is None


uids = st.sampled_from(["0b1f", "0b1e", "0b1"])
chunks = st.tuples(
    ids, uids, segments, st.sampled_from(["a1", "b2"]), st.integers(min_value=1, max_value=10**6)
)
Chunk = tuple[str, str, str, str, int]


@given(first=chunks, second=chunks)
def test_point_ids_are_equal_only_for_the_same_chunk(first: Chunk, second: Chunk) -> None:
    assert (names.derive_point_id(*first) == names.derive_point_id(*second)) == (first == second)
    assert (names.derive_commit_marker_id(*first[:3]) == names.derive_commit_marker_id(*second[:3])) == (
        first[:3] == second[:3]
    )
    assert names.derive_commit_marker_id(*first[:3]) != names.derive_point_id(*second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("a", "u", "b/c", "v", 1), ("a", "u", "b", "v", 1)),
        (("a", "u", "b1", "v", 2), ("a", "u", "b", "v", 12)),
        (("a", "u", "b", "v", 1), ("ab", "u", "", "v", 1)),
        (("a", "u", "b", "v1", 1), ("a", "u", "b", "v", 11)),
        (("a", "u", "/b", "v", 1), ("a", "u-", "b", "v", 1)),
    ],
    ids=[
        "a slash in the document's id",
        "a digit at its end",
        "a border that could move",
        "a version's digit",
        "the border of the uid",
    ],
)
def test_separators_in_a_document_id_cause_no_collision(first: Chunk, second: Chunk) -> None:
    assert names.derive_point_id(*first) != names.derive_point_id(*second)


def test_derived_ids_are_stable_uuids() -> None:
    """If derived ids changed, every point of the index would be orphaned."""
    assert uuid.UUID(names.derive_commit_marker_id("tenantb", UID, "d1")).version == 5
    assert names.derive_commit_marker_id("tenantb", UID, "d1") == "d645552f-cc02-5c27-bbb7-0e583f07b75a"
    assert names.derive_point_id("tenantb", UID, "d1", "v1", 1) == "843ddb9d-5195-5002-a901-ad1c8d37da5e"
    assert names.derive_document_id("tenantb", "finance", "a.md") == "f3fd3cae-62e8-5281-b6d1-57fac0dff94f"


@given(tenant=ids, persona=segments, document=segments, filename=segments)
def test_an_object_key_is_parsed_to_its_parts(
    tenant: str, persona: str, document: str, filename: str
) -> None:
    try:
        key = names.build_object_key(tenant, persona, document, filename)
    except ValueError:
        return
    assert names.parse_object_key(tenant, key) == (persona, document, filename)


@pytest.mark.parametrize(
    "key",
    [
        "tenant-tenantb/",
        "tenant-tenantb/finance/documents/",
        "tenant-tenantb/finance/documents/d1/",
        "tenant-tenantb/finance/notes/d1/a.md",
        "tenant-tenantb/finance/documents/d1/a/b.md",
        "tenant-tenantbb/finance/documents/d1/a.md",
        "tenant-tenanta/finance/documents/d1/a.md",
        "finance/documents/d1/a.md",
    ],
)
def test_another_key_is_parsed_to_none(key: str) -> None:
    assert names.parse_object_key("tenantb", key) is None


IN_S3 = ["object_key", "removal_key", "embeddings_key", "erasure_receipt_key"]
KEYED = [name for name in MAKERS if name.endswith("_key") and name not in ("tenant_key", *IN_S3)]


@pytest.mark.parametrize("name", KEYED)
def test_every_redis_key_begins_with_tenant_key_and_uid(name: str) -> None:
    assert MAKERS[name]("a").startswith("tenant-a:0b1f:")


def test_only_a_tombstone_outlives_its_tenant() -> None:
    assert [name for name in KEYED if names.is_tombstone(MAKERS[name]("a"))] == ["tombstone_key"]


def test_the_trash_prefix_contains_tenant_key_and_uid() -> None:
    assert names.build_removal_key("a", UID, "d1", "r1") == "tenant-a/.trash/0b1f/removals/d1/r1"
    assert names.build_embeddings_key("a", UID, "d1", "r1") == "tenant-a/.trash/0b1f/embeddings/d1/r1"
    for key in (
        names.build_removal_key("a", UID, "d1", "r1"),
        names.build_embeddings_key("a", UID, "d1", "r1"),
    ):
        assert key < names.build_trash_end_key("a") < names.build_object_key("a", "0", "d1", "a.md")


@pytest.mark.parametrize("make", [names.build_removal_key, names.build_embeddings_key])
@pytest.mark.parametrize(("document", "removal"), [("..", "r1"), ("d1", "a/b")])
def test_a_removal_id_with_path_characters_is_refused(
    make: Callable[..., str], document: str, removal: str
) -> None:
    with pytest.raises(ValueError, match="cannot be part of an object key"):
        make("a", UID, document, removal)


def test_retained_data_is_outside_the_prefixes_of_tenants() -> None:
    assert names.build_retained_prefix("a") == "retained/tenant-a/"
    assert names.build_retained_prefix("a", UID) == "retained/tenant-a/0b1f/"
    assert names.build_erasure_receipt_key("a", UID) == "receipts/erasure/tenant-a/0b1f.json"


@pytest.mark.parametrize("uid", ["", "a:b", "a/b", "*", " ", "-", "u" * 65])
def test_a_key_requires_a_uid(uid: str) -> None:
    with pytest.raises(ValueError, match="is no uid"):
        names.build_rate_key("a", uid)
    with pytest.raises(ValueError, match="is no uid"):
        names.derive_commit_marker_id("a", uid, "d1")
    with pytest.raises(ValueError, match="is no uid"):
        names.build_removals_prefix("a", uid)


def test_a_model_id_is_parsed_to_tenant_and_persona() -> None:
    assert names.build_model_id("a--b", "c--d") == "tenant-a--b.c--d"
    assert names.parse_model_id("tenant-a--b.c--d") == ("a--b", "c--d")


@pytest.mark.parametrize(
    "model",
    ["tenantb.finance", "tenant-tenantb", "tenant-b.finance.x", "tenant-B.x", "xtenant-b.finance", ""],
)
def test_another_model_id_is_parsed_to_none(model: str) -> None:
    assert names.parse_model_id(model) is None


def test_documents_of_files_and_uploads_are_distinguished() -> None:
    assert names.derive_file_document_id("0b5e").startswith(names.FILE_DOCUMENTS)
    assert not names.derive_document_id("tenantb", "finance", "owui-0b5e").startswith(names.FILE_DOCUMENTS)
