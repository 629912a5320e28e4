"""Fixtures: a Qdrant with the operator's collection, and the jobs with their own IAM role."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from qdrant_client import QdrantClient, models
from qdrant_snapshots.backups import Backups, open_backups
from qdrant_snapshots.qdrant import QdrantCluster, open_qdrant
from tenancy.model import Tenant
from tenancy.names import COLLECTION, DENSE_VECTOR, LEXICAL_VECTOR, build_object_key
from tenant_operator.parts.vectors import DIMENSIONS, VectorsPart
from tenantry_local.parts.aws import BUCKET, Aws
from tenantry_local.parts.services import build_snapshots_env
from tenantry_local.platform import Platform

from tests.support.programs.standins import QDRANT_KEY, Standin, make_qdrant_client, run_qdrant

PREFIX = "snapshots/test-release/"


async def accept_any_version() -> None:
    """Replace the operator's check of Qdrant's version."""


@dataclass
class IndexedDocuments:
    """A Qdrant, and documents that are both in it and in the bucket."""

    standin: Standin
    aws: Aws
    client: QdrantClient
    keys: list[str] = field(default_factory=list)

    async def create_collection(self, tenant: Tenant) -> None:
        """Create a tenant's collection with the operator's code."""
        qdrant = make_qdrant_client(self.standin)
        part = VectorsPart(qdrant, accept_any_version)
        await part.ensure(tenant, await part.observe(tenant))
        await qdrant.close()

    def add_document(self, tenant: Tenant, document_id: str, text: str = "", *, chunks: int = 2) -> None:
        """Store a document and its points."""
        etag = self.store(tenant, document_id, text)
        points = []
        for chunk in range(chunks):
            payload = {
                "tenantId": tenant.key,
                "tenantUid": tenant.uid,
                "personaId": "finance",
                "documentId": document_id,
                "filename": "plan.txt",
                "chunk": chunk,
                "text": f"{text} {chunk}",
                **({"etag": etag} if chunk == 0 else {}),
            }
            dense = [0.001] * DIMENSIONS
            dense[(len(self.keys) * 7 + chunk) % DIMENSIONS] = 1.0
            sparse = models.SparseVector(indices=[len(self.keys), 1000 + chunk], values=[1.0, 0.5])
            vectors: Any = {DENSE_VECTOR: dense, LEXICAL_VECTOR: sparse}
            points.append(models.PointStruct(id=str(uuid4()), payload=payload, vector=vectors))
        self.client.upsert(tenant.collection, points, wait=True)

    def store(self, tenant: Tenant, document_id: str, text: str) -> str:
        """Store only the object of a document; return its ETag."""
        key = build_object_key(tenant.id, "finance", document_id, "plan.txt")
        self.keys.append(key)
        return self.aws.s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())["ETag"]

    def delete_object(self, tenant: Tenant, document_id: str) -> None:
        """Delete the object of a document."""
        key = build_object_key(tenant.id, "finance", document_id, "plan.txt")
        self.aws.s3.delete_object(Bucket=BUCKET, Key=key)

    def list_documents(self, collection: str = COLLECTION) -> dict[str, int]:
        """Return the number of points of each document."""
        points, _ = self.client.scroll(collection, limit=10_000)
        found: dict[str, int] = {}
        for point in points:
            document_id = (point.payload or {})["documentId"]
            found[document_id] = found.get(document_id, 0) + 1
        return found

    def search(self, tenant: Tenant) -> list[tuple[Any, float]]:
        """Return ids and scores of dense and lexical searches for one tenant; equal scores in order of id."""
        own = models.Filter(
            must=[models.FieldCondition(key="tenantUid", match=models.MatchValue(value=tenant.uid))]
        )
        dense = [1 / (1 + number) for number in range(DIMENSIONS)]  # no two documents have the same score
        lexical = models.SparseVector(indices=[2, 1001], values=[1.0, 1.0])
        found = []
        for using, query in ((DENSE_VECTOR, dense), (LEXICAL_VECTOR, lexical)):
            response = self.client.query_points(
                tenant.collection, query=query, using=using, query_filter=own, limit=20
            )
            found += sorted(
                ((point.id, round(point.score, 5)) for point in response.points),
                key=lambda each: (-each[1], str(each[0])),
            )
        return found


@pytest.fixture
def index(platform: Platform, tmp_path: Path) -> Iterator[IndexedDocuments]:
    aws = platform.parts["aws"]
    assert isinstance(aws, Aws)
    with run_qdrant(tmp_path / "qdrant") as standin:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
            client = QdrantClient(url=standin.url, api_key=QDRANT_KEY, timeout=30, check_compatibility=False)
        made = IndexedDocuments(standin, aws, client)
        yield made
        client.close()
    for prefix in (*made.keys, PREFIX):
        versions = aws.s3.list_object_versions(Bucket=BUCKET, Prefix=prefix)
        for each in (*versions.get("Versions", []), *versions.get("DeleteMarkers", [])):
            aws.s3.delete_object(Bucket=BUCKET, Key=each["Key"], VersionId=each["VersionId"])


@pytest.fixture
def environment(
    platform: Platform, index: IndexedDocuments, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment of the jobs, also of this process: their IAM role and the index."""
    variables = {
        **build_snapshots_env(platform.context),
        "QDRANT_SNAPSHOTS_QDRANT_URL": index.standin.url,
        "QDRANT_SNAPSHOTS_QDRANT_API_KEY": QDRANT_KEY,
        "QDRANT_SNAPSHOTS_PREFIX": PREFIX,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def qdrant(index: IndexedDocuments) -> Iterator[QdrantCluster]:
    with open_qdrant(index.standin.url, QDRANT_KEY, verify=True) as client:
        yield client


@pytest.fixture
def backups(environment: dict[str, str]) -> Iterator[Backups]:
    with open_backups(BUCKET, PREFIX) as opened:
        yield opened
