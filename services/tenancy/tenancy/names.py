"""Every name and key that more than one part of the system spells, in one place.

A tenant has an *id* (``tenantb``, the Tenant's ``metadata.name``) and a *key* (``tenant-tenantb``), and
all that is stored anywhere carries the key. The key is always made here from an id that was proven,
never taken from a request.

A name is not an identity: a Tenant that is deleted and created again has the same id and key. So whatever a
tenant would be shown again (points, answers, counters, tickets) carries the Tenant's *uid*, too.
"""

import re
import uuid
from datetime import date

__all__ = [
    "COLLECTION",
    "DENSE_VECTOR",
    "FILE_DOCUMENTS",
    "GROUP",
    "LEXICAL_VECTOR",
    "PLURAL",
    "REALM_PARENT_GROUP",
    "TENANT_UIDS_CLAIM",
    "TENANT_UID_ATTRIBUTE",
    "VERSION",
    "admins_group_path",
    "answers_key",
    "changes_key",
    "collection_name",
    "commit_marker_id",
    "deletions_key",
    "document_id_for",
    "document_id_for_file",
    "embeddings_key",
    "embeddings_prefix",
    "erasure_receipt_key",
    "failures_key",
    "group_path",
    "held_deletions_key",
    "idempotency_key",
    "ingests_key",
    "is_tombstone",
    "model_id",
    "object_key",
    "parse_model_id",
    "parse_object_key",
    "persona_prefix",
    "point_id",
    "rate_key",
    "redis_prefix",
    "released_deletions_key",
    "removal_key",
    "removals_prefix",
    "reservations_key",
    "retained_prefix",
    "storage_quota_key",
    "tenant_id_from_group",
    "tenant_key",
    "tenant_prefix",
    "tokens_key",
    "tombstone_key",
    "trash_end",
    "trash_sweep_key",
    "usage_key",
]

GROUP = "tenantry.io"
"""API group of the Tenant resource."""

VERSION = "v1alpha1"
"""API version of the Tenant resource."""

PLURAL = "tenants"
"""Plural of the Tenant resource, as it stands in URLs."""

COLLECTION = "digital_twin_knowledge"
"""Qdrant collection that all pooled tenants share."""

DENSE_VECTOR = "dense"
"""Name of the vectors that carry meaning."""

LEXICAL_VECTOR = "bm25"
"""Name of the sparse vectors that carry words."""

REALM_PARENT_GROUP = "tenants"
"""Keycloak group under which every tenant's group lies."""

TENANT_UID_ATTRIBUTE = "tenant-uid"
"""Attribute of a tenant's groups in Keycloak: the uid of the Tenant for which they were made."""

TENANT_UIDS_CLAIM = "tenant_uids"
"""Claim of an access token into which the realm's mapper puts that attribute of all the person's groups."""

FILE_DOCUMENTS = "owui-"
"""Beginning of the ids of all documents that are made of Open WebUI's files."""

_TENANT_ID = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
_UID = re.compile(r"[A-Za-z0-9][-A-Za-z0-9]{0,63}")
_TOMBSTONE = "tombstone"
_PERSONA_ID = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAMESPACE = uuid.UUID("6f0a3a2e-8d0e-5c0b-9a51-2f1f6b2f7a10")
"""Root of all derived ids. A change would give every chunk a new point id and double the index."""


def tenant_key(tenant_id: str) -> str:
    """Return the key under which all of a tenant's data is stored: ``tenant-{id}``.

    Raises
    ------
    ValueError
        The id is no DNS label of at most 40 characters, so it cannot be the name of a Tenant.
    """
    if not _TENANT_ID.fullmatch(tenant_id):
        raise ValueError(f"{tenant_id!r} is no tenant id: a DNS label of at most 40 characters is")
    return f"tenant-{tenant_id}"


def tenant_prefix(tenant_id: str) -> str:
    """Return the S3 prefix that holds all of a tenant's objects, with its closing slash.

    The slash matters: without it ``tenant-a`` would be a prefix of ``tenant-ab``.
    """
    return f"{tenant_key(tenant_id)}/"


def retained_prefix(tenant_id: str, uid: str = "") -> str:
    """Return the S3 prefix of what was set aside of earlier Tenants of a name; with ``uid``, of one of them.

    It lies outside of every tenant's prefix, so no tenant's session reads it.
    """
    of_all = f"retained/{tenant_prefix(tenant_id)}"
    return f"{of_all}{uid}/" if uid else of_all


def persona_prefix(tenant_id: str, persona_id: str) -> str:
    """Return the S3 prefix of one persona's documents."""
    return f"{tenant_prefix(tenant_id)}{persona_id}/documents/"


def object_key(tenant_id: str, persona_id: str, document_id: str, filename: str) -> str:
    """Return the S3 key of a document.

    Raises
    ------
    ValueError
        A segment is empty, is a dot segment, or holds a slash or a control character: it could then
        name something else than the one document.
    """
    for segment in (persona_id, document_id, filename):
        _ = _segment(segment)
    return f"{persona_prefix(tenant_id, persona_id)}{document_id}/{filename}"


def parse_object_key(tenant_id: str, key: str) -> tuple[str, str, str] | None:
    """Return persona, document id and file name of a document's key; ``None`` when it is no document's.

    Markers of folders are such keys, and so is everything of another tenant.
    """
    if not key.startswith(tenant_prefix(tenant_id)):
        return None
    match key.split("/"):
        case [_, persona_id, "documents", document_id, filename] if persona_id and document_id and filename:
            return persona_id, document_id, filename
        case _:
            return None


def erasure_receipt_key(tenant_id: str, uid: str) -> str:
    """Return the S3 key of the receipt of a Tenant's erasure, outside every tenant's prefix."""
    return f"receipts/erasure/{tenant_key(tenant_id)}/{uid}.json"


def removals_prefix(tenant_id: str, uid: str) -> str:
    """Return the S3 prefix of the records of a tenant's removed documents.

    No persona's id begins with a dot, so nothing of the trash can be taken for a persona's document. A Tenant
    that is created again under the same name has another uid, so it finds nothing of the earlier one's trash.
    """
    return f"{_trash_prefix(tenant_id, uid)}removals/"


def removal_key(tenant_id: str, uid: str, document_id: str, removal_id: str) -> str:
    """Return the S3 key of the record of a removal of a document.

    Raises
    ------
    ValueError
        An id cannot be part of an object key.
    """
    return f"{removals_prefix(tenant_id, uid)}{_segment(document_id)}/{_segment(removal_id)}"


def embeddings_prefix(tenant_id: str, uid: str) -> str:
    """Return the S3 prefix of the embeddings of a tenant's removed documents."""
    return f"{_trash_prefix(tenant_id, uid)}embeddings/"


def embeddings_key(tenant_id: str, uid: str, document_id: str, removal_id: str) -> str:
    """Return the S3 key of the embeddings of a removal of a document.

    Raises
    ------
    ValueError
        An id cannot be part of an object key.
    """
    return f"{embeddings_prefix(tenant_id, uid)}{_segment(document_id)}/{_segment(removal_id)}"


def trash_end(tenant_id: str) -> str:
    """Return a key between a tenant's trash and its documents, in the order of S3's lists."""
    return f"{tenant_prefix(tenant_id)}.trash0"


def collection_name(tenant_id: str, *, dedicated: bool) -> str:
    """Return the Qdrant collection that holds a tenant's points."""
    return f"{COLLECTION}--{tenant_key(tenant_id)}" if dedicated else COLLECTION


def group_path(tenant_id: str) -> str:
    """Return the Keycloak path of a tenant's group, as it stands in the ``groups`` claim."""
    return f"/{REALM_PARENT_GROUP}/{tenant_key(tenant_id)}"


def admins_group_path(tenant_id: str) -> str:
    """Return the Keycloak path of the sub-group of a tenant's administrators."""
    return f"{group_path(tenant_id)}/admins"


def tenant_id_from_group(path: str) -> str | None:
    """Return the tenant that a group path belongs to; ``None`` when it is no tenant's group.

    Only the tenant's own group and its ``admins`` count. Any other sub-group is not ours, and to guess
    at its meaning would widen access.
    """
    match = re.fullmatch(rf"/{REALM_PARENT_GROUP}/tenant-({_TENANT_ID.pattern})(?:/admins)?", path)
    return match.group(1) if match else None


def redis_prefix(tenant_id: str, uid: str) -> str:
    """Return the beginning of every Redis key of one Tenant: ``tenant-tenantb:{uid}:``.

    A Tenant that is created again under the same name has another uid, so it finds no key of the earlier one.

    Raises
    ------
    ValueError
        The id is no tenant id, or the uid is none that Kubernetes gives.
    """
    return f"{_bound_key(tenant_id, uid)}:"


def rate_key(tenant_id: str, uid: str) -> str:
    """Return the Redis hash that counts a tenant's queries, by second."""
    return f"{redis_prefix(tenant_id, uid)}rate"


def tokens_key(tenant_id: str, uid: str, month: date) -> str:
    """Return the Redis counter of the model tokens that a tenant has used in a month."""
    return f"{redis_prefix(tenant_id, uid)}tokens:{month:%Y-%m}"


def reservations_key(tenant_id: str, uid: str, month: date) -> str:
    """Return the Redis sorted set of the tokens that answers under way may still use."""
    return f"{tokens_key(tenant_id, uid, month)}:reserved"


def storage_quota_key(tenant_id: str, uid: str) -> str:
    """Return the Redis hash that knows the size of each document that a tenant has stored."""
    return f"{redis_prefix(tenant_id, uid)}stock"


def ingests_key(tenant_id: str, uid: str) -> str:
    """Return the Redis hash of the documents that are being written, or whose writing was cut off."""
    return f"{redis_prefix(tenant_id, uid)}ingests"


def failures_key(tenant_id: str, uid: str) -> str:
    """Return the Redis hash that says of stored documents why they could not be indexed."""
    return f"{redis_prefix(tenant_id, uid)}failures"


def deletions_key(tenant_id: str, uid: str) -> str:
    """Return the Redis sorted set of a tenant's documents that were deleted in the last minutes."""
    return f"{redis_prefix(tenant_id, uid)}deletions"


def held_deletions_key(tenant_id: str, uid: str) -> str:
    """Return the Redis hash of the deletions that wait for one of the tenant's administrators."""
    return f"{deletions_key(tenant_id, uid)}:held"


def released_deletions_key(tenant_id: str, uid: str) -> str:
    """Return the Redis key that is there while no deletion of the tenant is held."""
    return f"{deletions_key(tenant_id, uid)}:released"


def trash_sweep_key(tenant_id: str, uid: str) -> str:
    """Return the Redis key that is there while the next removal of a tenant's expired trash is not due."""
    return f"{redis_prefix(tenant_id, uid)}trash-sweep"


def idempotency_key(tenant_id: str, uid: str, digest: str) -> str:
    """Return the Redis key of what was answered to a request; ``digest`` names caller, request and key."""
    return f"{redis_prefix(tenant_id, uid)}idempotency:{digest}"


def changes_key(tenant_id: str, uid: str) -> str:
    """Return the Redis sorted set of the changes of a tenant's index that are under way."""
    return f"{redis_prefix(tenant_id, uid)}changes"


def answers_key(tenant_id: str, uid: str) -> str:
    """Return the Redis hash of answers that a tenant's people may be given again."""
    return f"{redis_prefix(tenant_id, uid)}answers"


def usage_key(tenant_id: str, uid: str, day: date) -> str:
    """Return the Redis hash of what a tenant has used on a day."""
    return f"{redis_prefix(tenant_id, uid)}usage:{day:%Y-%m-%d}"


def tombstone_key(tenant_id: str, uid: str) -> str:
    """Return the Redis key that is there once a Tenant is being deleted, and for a month after.

    It alone stays when everything of a tenant is removed; it holds nothing but the uid in its name.
    """
    return f"{redis_prefix(tenant_id, uid)}{_TOMBSTONE}"


def is_tombstone(key: str) -> bool:
    """Tell whether a Redis key is a tombstone."""
    return key.endswith(f":{_TOMBSTONE}")


def document_id_for(tenant_id: str, persona_id: str, filename: str) -> str:
    """Return the id of a document that a person uploads by name.

    The same name in the same persona is the same document, so a second upload replaces the first.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{tenant_key(tenant_id)}/{persona_id}/{filename}"))


def document_id_for_file(file_id: str) -> str:
    """Return the id of the document that is made of a file of Open WebUI.

    The file's own id: two files of one name are two documents, and a renamed file stays the same one. The
    beginning tells it from a document that somebody uploaded by name.
    """
    return f"{FILE_DOCUMENTS}{file_id}"


def model_id(tenant_id: str, persona_id: str) -> str:
    """Return the id of a persona's model in Open WebUI: ``tenant-tenantb.finance``."""
    return f"{tenant_key(tenant_id)}.{persona_id}"


def parse_model_id(model: str) -> tuple[str, str] | None:
    """Return tenant and persona of a model of Open WebUI; ``None`` when it is no persona's.

    Neither id can hold a dot, so the two cannot be told apart in a second way.
    """
    match = re.fullmatch(rf"tenant-(?P<tenant>{_TENANT_ID.pattern})\.(?P<persona>{_PERSONA_ID})", model)
    return (match["tenant"], match["persona"]) if match else None


def commit_marker_id(tenant_id: str, uid: str, document_id: str) -> str:
    """Return the Qdrant id of a document's first chunk, whatever its content.

    Tenant and uid are part of it: in a shared collection two tenants may use the same document id, and
    neither must overwrite the other's points, nor those of an earlier Tenant of the same name.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{_bound_key(tenant_id, uid)}/{document_id}#0"))


def point_id(tenant_id: str, uid: str, document_id: str, version: str, chunk: int) -> str:
    """Return the Qdrant id of a further chunk of one version of a document, ``chunk`` counting from 1.

    The same chunk always has the same id, so that writing it again doubles nothing; and versions never
    share one, so that a new version can be written while readers still have the old.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{_bound_key(tenant_id, uid)}/{document_id}#{version}/{chunk}"))


def _bound_key(tenant_id: str, uid: str) -> str:
    if not _UID.fullmatch(uid):
        raise ValueError(f"{uid!r} is no uid of a Kubernetes object")
    return f"{tenant_key(tenant_id)}:{uid}"


def _trash_prefix(tenant_id: str, uid: str) -> str:
    _ = _bound_key(tenant_id, uid)
    return f"{tenant_prefix(tenant_id)}.trash/{uid}/"


def _segment(segment: str) -> str:
    if segment in ("", ".", "..") or "/" in segment or any(ord(c) < 32 or ord(c) == 127 for c in segment):
        raise ValueError(f"{segment!r} cannot be part of an object key")
    return segment
