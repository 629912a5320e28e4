"""Ground truth of documents: rows of Open WebUI's database, objects in S3 and points in Qdrant.

It uses no code of the services; keys and ids are built as the documentation describes.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import httpx
from tenantry_local.parts.aws import BUCKET, Aws
from tenantry_local.parts.postgres import Postgres
from tenantry_local.parts.qdrant import Qdrant
from tenantry_local.platform import Platform

__all__ = ["GroundTruth", "Row", "StoredState", "find_errors"]

ROWS = """
select coalesce(json_agg(json_build_array(id, filename, meta -> 'data' ->> 'knowledge_id')), '[]') from file
where meta -> 'data' ->> 'knowledge_id' in ({})
"""


@dataclass(frozen=True)
class Row:
    """A file in Open WebUI's database that is in a knowledge base, or is being added to it."""

    id: str
    filename: str
    knowledge: str


@dataclass(frozen=True)
class StoredState:
    """Documents in S3 and Qdrant.

    Parameters
    ----------
    objects
        SHA-256 of the objects under the tenants' prefixes, by key; without folder markers.
    points
        Payloads of all points with the key of a tenant or the id of a document.
    """

    objects: Mapping[str, str]
    points: Sequence[Mapping[str, Any]]


@dataclass
class GroundTruth:
    """Reads the stores of a platform."""

    platform: Platform
    _hashes: dict[str, str] = field(default_factory=dict)

    def list_files(self, knowledge: Sequence[str]) -> list[Row]:
        """Return the files of the knowledge bases with these ids."""
        ids = ", ".join(f"'{item}'" for item in knowledge)
        printed = Postgres(self.platform.context).run(ROWS.format(ids), "openwebui")
        return [Row(*item) for item in json.loads(printed)]

    def read_stores(self, tenant_ids: Sequence[str], documents: Sequence[str]) -> StoredState:
        """Return the stored state of tenants, and of documents in any tenant."""
        keys = [f"tenant-{tenant_id}" for tenant_id in tenant_ids]
        either = [
            {"key": "tenantId", "match": {"any": keys}},
            {"key": "documentId", "match": {"any": list(documents)}},
        ]
        return StoredState(dict(self._list_objects(tenant_ids)), list(self._list_points({"should": either})))

    def _list_objects(self, tenant_ids: Sequence[str]) -> Iterator[tuple[str, str]]:
        s3 = Aws(self.platform.context).s3
        for tenant_id in tenant_ids:
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"tenant-{tenant_id}/")
            for entry in (entry for page in pages for entry in page.get("Contents", [])):
                key = entry["Key"]
                if key.endswith("/") or "/.trash/" in key:
                    continue
                version = f"{key} {entry['ETag']}"
                try:
                    if version not in self._hashes:
                        content = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
                        self._hashes[version] = sha256(content).hexdigest()
                except s3.exceptions.NoSuchKey:
                    continue  # it was deleted during the listing
                yield key, self._hashes[version]

    def _list_points(self, filter_: dict[str, Any]) -> Iterator[dict[str, Any]]:
        part, offset = Qdrant(self.platform.context), None
        while True:
            body = {"filter": filter_, "limit": 1000, "with_payload": True, "offset": offset}
            response = httpx.post(
                f"{part.url}/collections/digital_twin_knowledge/points/scroll",
                json=body,
                headers={"api-key": part.api_key},
                timeout=30,
            )
            result = response.raise_for_status().json()["result"]
            yield from (point["payload"] for point in result["points"])
            offset = result["next_page_offset"]
            if offset is None:
                return


def find_errors(expected: Mapping[str, Mapping[str, tuple[str, bytes]]], seen: StoredState) -> list[str]:
    """Return the differences; empty if each tenant has every expected file exactly once, and nothing else.

    Parameters
    ----------
    expected
        Name and content of each file, by tenant and by the id that Open WebUI gave it.
    """
    objects, errors = dict(seen.objects), []
    by_document: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for point in seen.points:
        by_document[str(point["documentId"])].append(point)
    for tenant_id, files in expected.items():
        for file_id, (filename, content) in files.items():
            key = f"tenant-{tenant_id}/finance/documents/owui-{file_id}/{filename}"
            digest = sha256(content).hexdigest()
            if (stored := objects.pop(key, None)) != digest:
                errors.append(f"{key} {'has another content' if stored else 'is not in S3'}")
            points = by_document.pop(f"owui-{file_id}", [])
            errors += [
                f"{key} in the index: {error}"
                for error in _find_wrong_points(points, tenant_id, digest, content)
            ]
    errors += [f"{key} is in S3 and should not be" for key in objects]
    errors += [
        f"{document} of {points[0]['tenantId']} is in the index and should not be"
        for document, points in by_document.items()
    ]
    return errors


def _find_wrong_points(
    points: Sequence[Mapping[str, Any]], tenant_id: str, digest: str, content: bytes
) -> Iterator[str]:
    if not points:
        yield "it is not there"
        return
    if {(point["tenantId"], point["personaId"]) for point in points} != {(f"tenant-{tenant_id}", "finance")}:
        yield "it is of another tenant or persona"
    if {point["sha256"] for point in points} != {digest}:
        yield "it is of another content"
    if len({point["version"] for point in points}) != 1:
        yield "it is there in several versions"
    if sorted(point["chunk"] for point in points) != list(range(points[0]["chunks"])):
        yield "chunks are missing or doubled"
    text = "\n".join(str(point["text"]) for point in points)
    if missing := [line for line in content.decode().split("\n\n") if line not in text]:
        yield f"lines are missing: {missing[:3]}"
