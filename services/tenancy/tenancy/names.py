"""Names and keys that more than one service uses.

A tenant has an *id* (``tenantb``, the Tenant's ``metadata.name``) and a *key* (``tenant-tenantb``). All
stored data has the key. These functions build the key from an authenticated id, never from a request.

A name is not an identity: a Tenant that is deleted and created again has the same id and key. So all data
that the later Tenant could see (points, answers, counters, tickets) also has the Tenant's *uid*.
"""

import re
import uuid
from datetime import date

__all__ = [
    "COLLECTION",
    "DEFAULT_TENANT_CLASS",
    "DENSE_VECTOR",
    "FILE_DOCUMENTS",
    "GROUP",
    "LEXICAL_VECTOR",
    "PLURAL",
    "REALM_PARENT_GROUP",
    "TENANT_UIDS_CLAIM",
    "TENANT_UID_ATTRIBUTE",
    "VERSION",
    "build_admins_group_path",
    "build_answers_key",
    "build_changes_key",
    "build_collection_name",
    "build_deletions_key",
    "build_embeddings_key",
    "build_embeddings_prefix",
    "build_erasure_receipt_key",
    "build_failures_key",
    "build_group_path",
    "build_held_deletions_key",
    "build_idempotency_key",
    "build_ingests_key",
    "build_model_id",
    "build_object_key",
    "build_persona_prefix",
    "build_rate_key",
    "build_redis_prefix",
    "build_released_deletions_key",
    "build_removal_key",
    "build_removals_prefix",
    "build_reservations_key",
    "build_retained_prefix",
    "build_storage_quota_key",
    "build_tenant_key",
    "build_tenant_prefix",
    "build_tokens_key",
    "build_tombstone_key",
    "build_trash_end_key",
    "build_trash_sweep_key",
    "build_usage_key",
    "derive_commit_marker_id",
    "derive_document_id",
    "derive_file_document_id",
    "derive_point_id",
    "is_tombstone",
    "parse_group_path",
    "parse_model_id",
    "parse_object_key",
]

GROUP = "tenantry.io"
"""API group of the Tenant resource."""

VERSION = "v1alpha1"
"""API version of the Tenant resource."""

PLURAL = "tenants"
"""Plural of the Tenant resource in URLs."""

DEFAULT_TENANT_CLASS = "default"
"""Class of Tenants that name no class."""

COLLECTION = "digital_twin_knowledge"
"""Qdrant collection that all pooled tenants share."""

DENSE_VECTOR = "dense"
"""Name of the embedding vectors."""

LEXICAL_VECTOR = "bm25"
"""Name of the sparse vectors of words."""

REALM_PARENT_GROUP = "tenants"
"""Keycloak group that contains every tenant's group."""

TENANT_UID_ATTRIBUTE = "tenant-uid"
"""Attribute of a tenant's groups in Keycloak with the uid of the Tenant."""

TENANT_UIDS_CLAIM = "tenant_uids"
"""Claim of an access token with the uids of the person's groups; a mapper of the realm writes it."""

FILE_DOCUMENTS = "owui-"
"""Prefix of the ids of documents from Open WebUI's files."""

_TENANT_ID = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
_UID = re.compile(r"[A-Za-z0-9][-A-Za-z0-9]{0,63}")
_TOMBSTONE = "tombstone"
_PERSONA_ID = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAMESPACE = uuid.UUID("6f0a3a2e-8d0e-5c0b-9a51-2f1f6b2f7a10")
"""Namespace of all derived ids. A change would give every chunk a new point id and double the index."""


def build_tenant_key(tenant_id: str) -> str:
    """Return the key of a tenant's data in every system: ``tenant-{id}``.

    Raises
    ------
    ValueError
        The id is no DNS label of at most 40 characters, so it cannot be the name of a Tenant.
    """
    if not _TENANT_ID.fullmatch(tenant_id):
        raise ValueError(f"{tenant_id!r} is no tenant id: a DNS label of at most 40 characters is")
    return f"tenant-{tenant_id}"


def build_tenant_prefix(tenant_id: str) -> str:
    """Return the S3 prefix of all of a tenant's objects, with a trailing slash.

    The slash matters: without it ``tenant-a`` would be a prefix of ``tenant-ab``.
    """
    return f"{build_tenant_key(tenant_id)}/"


def build_retained_prefix(tenant_id: str, uid: str = "") -> str:
    """Return the S3 prefix of the documents that were retained when Tenants of a name were deleted.

    With ``uid`` it is the prefix of that one Tenant. It is outside every tenant's own prefix, so no tenant's
    session can read the documents.
    """
    of_all = f"retained/{build_tenant_prefix(tenant_id)}"
    return f"{of_all}{uid}/" if uid else of_all


def build_persona_prefix(tenant_id: str, persona_id: str) -> str:
    """Return the S3 prefix of one persona's documents."""
    return f"{build_tenant_prefix(tenant_id)}{persona_id}/documents/"


def build_object_key(tenant_id: str, persona_id: str, document_id: str, filename: str) -> str:
    """Return the S3 key of a document.

    Raises
    ------
    ValueError
        A segment is empty, a dot segment, or contains a slash or a control character. The key could then
        address another object.
    """
    for segment in (persona_id, document_id, filename):
        _ = _validate_segment(segment)
    return f"{build_persona_prefix(tenant_id, persona_id)}{document_id}/{filename}"


def parse_object_key(tenant_id: str, key: str) -> tuple[str, str, str] | None:
    """Return persona, document id and file name of a document's key, or ``None`` for any other key.

    Other keys are, for example, folder markers and all keys of other tenants.
    """
    if not key.startswith(build_tenant_prefix(tenant_id)):
        return None
    match key.split("/"):
        case [_, persona_id, "documents", document_id, filename] if persona_id and document_id and filename:
            return persona_id, document_id, filename
        case _:
            return None


def build_erasure_receipt_key(tenant_id: str, uid: str) -> str:
    """Return the S3 key of the receipt of a Tenant's erasure, outside every tenant's prefix."""
    return f"receipts/erasure/{build_tenant_key(tenant_id)}/{uid}.json"


def build_removals_prefix(tenant_id: str, uid: str) -> str:
    """Return the S3 prefix of the records of a tenant's removed documents.

    No persona id begins with a dot, so no key of the trash is a persona's document. A Tenant that is created
    again under the same name has another uid, so it cannot find the earlier trash.
    """
    return f"{_build_trash_prefix(tenant_id, uid)}removals/"


def build_removal_key(tenant_id: str, uid: str, document_id: str, removal_id: str) -> str:
    """Return the S3 key of the record of a removal of a document.

    Raises
    ------
    ValueError
        An id cannot be part of an object key.
    """
    return (
        f"{build_removals_prefix(tenant_id, uid)}"
        f"{_validate_segment(document_id)}/{_validate_segment(removal_id)}"
    )


def build_embeddings_prefix(tenant_id: str, uid: str) -> str:
    """Return the S3 prefix of the embeddings of a tenant's removed documents."""
    return f"{_build_trash_prefix(tenant_id, uid)}embeddings/"


def build_embeddings_key(tenant_id: str, uid: str, document_id: str, removal_id: str) -> str:
    """Return the S3 key of the embeddings of a removal of a document.

    Raises
    ------
    ValueError
        An id cannot be part of an object key.
    """
    return (
        f"{build_embeddings_prefix(tenant_id, uid)}"
        f"{_validate_segment(document_id)}/{_validate_segment(removal_id)}"
    )


def build_trash_end_key(tenant_id: str) -> str:
    """Return a key that sorts after a tenant's trash and before the tenant's documents in S3's lists."""
    return f"{build_tenant_prefix(tenant_id)}.trash0"


def build_collection_name(tenant_id: str, *, dedicated: bool) -> str:
    """Return the Qdrant collection that holds a tenant's points."""
    return f"{COLLECTION}--{build_tenant_key(tenant_id)}" if dedicated else COLLECTION


def build_group_path(tenant_id: str) -> str:
    """Return the Keycloak path of a tenant's group, as in the ``groups`` claim."""
    return f"/{REALM_PARENT_GROUP}/{build_tenant_key(tenant_id)}"


def build_admins_group_path(tenant_id: str) -> str:
    """Return the Keycloak path of the sub-group of a tenant's administrators."""
    return f"{build_group_path(tenant_id)}/admins"


def parse_group_path(path: str) -> str | None:
    """Return the tenant id of a group path; ``None`` if the path is no tenant's group.

    Only the tenant's group and its sub-group ``admins`` are a tenant's groups. The operator creates no other
    sub-group, and to accept others would widen access.
    """
    match = re.fullmatch(rf"/{REALM_PARENT_GROUP}/tenant-({_TENANT_ID.pattern})(?:/admins)?", path)
    return match.group(1) if match else None


def build_redis_prefix(tenant_id: str, uid: str) -> str:
    """Return the prefix of every Redis key of one Tenant: ``tenant-tenantb:{uid}:``.

    A Tenant that is created again under the same name has another uid, so it cannot find earlier keys.

    Raises
    ------
    ValueError
        The id is no tenant id, or the uid is no uid of Kubernetes.
    """
    return f"{_build_bound_key(tenant_id, uid)}:"


def build_rate_key(tenant_id: str, uid: str) -> str:
    """Return the key of the Redis hash that counts a tenant's queries, by second."""
    return f"{build_redis_prefix(tenant_id, uid)}rate"


def build_tokens_key(tenant_id: str, uid: str, month: date) -> str:
    """Return the key of the Redis counter of the model tokens that a tenant has used in a month."""
    return f"{build_redis_prefix(tenant_id, uid)}tokens:{month:%Y-%m}"


def build_reservations_key(tenant_id: str, uid: str, month: date) -> str:
    """Return the key of the Redis sorted set of tokens reserved by answers in progress."""
    return f"{build_tokens_key(tenant_id, uid, month)}:reserved"


def build_storage_quota_key(tenant_id: str, uid: str) -> str:
    """Return the key of the Redis hash with the size of each stored document of a tenant."""
    return f"{build_redis_prefix(tenant_id, uid)}storage"


def build_ingests_key(tenant_id: str, uid: str) -> str:
    """Return the key of the Redis hash of documents whose write is in progress or was interrupted."""
    return f"{build_redis_prefix(tenant_id, uid)}ingests"


def build_failures_key(tenant_id: str, uid: str) -> str:
    """Return the key of the Redis hash with the reasons why stored documents were not indexed."""
    return f"{build_redis_prefix(tenant_id, uid)}failures"


def build_deletions_key(tenant_id: str, uid: str) -> str:
    """Return the key of the Redis sorted set of documents that a tenant deleted in the last minutes."""
    return f"{build_redis_prefix(tenant_id, uid)}deletions"


def build_held_deletions_key(tenant_id: str, uid: str) -> str:
    """Return the key of the Redis hash of deletions that wait for an administrator of the tenant."""
    return f"{build_deletions_key(tenant_id, uid)}:held"


def build_released_deletions_key(tenant_id: str, uid: str) -> str:
    """Return the Redis key during whose lifetime the gateway holds no deletion of the tenant."""
    return f"{build_deletions_key(tenant_id, uid)}:released"


def build_trash_sweep_key(tenant_id: str, uid: str) -> str:
    """Return the Redis key that exists until the next removal of a tenant's expired trash is due."""
    return f"{build_redis_prefix(tenant_id, uid)}trash-sweep"


def build_idempotency_key(tenant_id: str, uid: str, digest: str) -> str:
    """Return the Redis key of a stored response; ``digest`` identifies caller, request and key."""
    return f"{build_redis_prefix(tenant_id, uid)}idempotency:{digest}"


def build_changes_key(tenant_id: str, uid: str) -> str:
    """Return the key of the Redis sorted set of changes of a tenant's index that are in progress."""
    return f"{build_redis_prefix(tenant_id, uid)}changes"


def build_answers_key(tenant_id: str, uid: str) -> str:
    """Return the key of the Redis hash of a tenant's cached answers."""
    return f"{build_redis_prefix(tenant_id, uid)}answers"


def build_usage_key(tenant_id: str, uid: str, day: date) -> str:
    """Return the key of the Redis hash with a tenant's usage on a day."""
    return f"{build_redis_prefix(tenant_id, uid)}usage:{day:%Y-%m-%d}"


def build_tombstone_key(tenant_id: str, uid: str) -> str:
    """Return the Redis key that exists from a Tenant's deletion until a month later.

    It is the only key that remains after an erasure, and contains nothing but the uid in its name.
    """
    return f"{build_redis_prefix(tenant_id, uid)}{_TOMBSTONE}"


def is_tombstone(key: str) -> bool:
    """Return True if a Redis key is a tombstone."""
    return key.endswith(f":{_TOMBSTONE}")


def derive_document_id(tenant_id: str, persona_id: str, filename: str) -> str:
    """Return the id of a document that a person uploads under a file name.

    The same file name in the same persona gives the same id, so a second upload replaces the first.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{build_tenant_key(tenant_id)}/{persona_id}/{filename}"))


def derive_file_document_id(file_id: str) -> str:
    """Return the document id of a file of Open WebUI.

    It contains the file's id. So two files of one name are two documents, and a renamed file keeps its
    document. The prefix distinguishes it from the id of a document that was uploaded by name.
    """
    return f"{FILE_DOCUMENTS}{file_id}"


def build_model_id(tenant_id: str, persona_id: str) -> str:
    """Return the id of a persona's model in Open WebUI: ``tenant-tenantb.finance``."""
    return f"{build_tenant_key(tenant_id)}.{persona_id}"


def parse_model_id(model: str) -> tuple[str, str] | None:
    """Return tenant id and persona id of a model of Open WebUI; ``None`` if it is no persona's model.

    Neither id can contain a dot, so the result is unambiguous.
    """
    match = re.fullmatch(rf"tenant-(?P<tenant>{_TENANT_ID.pattern})\.(?P<persona>{_PERSONA_ID})", model)
    return (match["tenant"], match["persona"]) if match else None


def derive_commit_marker_id(tenant_id: str, uid: str, document_id: str) -> str:
    """Return the Qdrant id of a document's first chunk, which is the same for every version.

    The id depends on tenant and uid, because two tenants can use the same document id in a shared collection.
    They must not overwrite each other's points, or points of an earlier Tenant of the same name.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{_build_bound_key(tenant_id, uid)}/{document_id}#0"))


def derive_point_id(tenant_id: str, uid: str, document_id: str, version: str, chunk: int) -> str:
    """Return the Qdrant id of a chunk after the first in one version; ``chunk`` counts from 1.

    The same chunk always has the same id, so a repeated write creates no duplicate. Versions never share an
    id, so a new version can be written while readers still use the old one.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{_build_bound_key(tenant_id, uid)}/{document_id}#{version}/{chunk}"))


def _build_bound_key(tenant_id: str, uid: str) -> str:
    if not _UID.fullmatch(uid):
        raise ValueError(f"{uid!r} is no uid of a Kubernetes object")
    return f"{build_tenant_key(tenant_id)}:{uid}"


def _build_trash_prefix(tenant_id: str, uid: str) -> str:
    _ = _build_bound_key(tenant_id, uid)
    return f"{build_tenant_prefix(tenant_id)}.trash/{uid}/"


def _validate_segment(segment: str) -> str:
    if segment in ("", ".", "..") or "/" in segment or any(ord(c) < 32 or ord(c) == 127 for c in segment):
        raise ValueError(f"{segment!r} cannot be part of an object key")
    return segment
