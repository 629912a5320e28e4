"""Benchmark of uploads into a knowledge base: time until a file is searchable, and until it is in S3.

Ready means that file-sync reports it and a search finds the file's words. Stored means that the object is in
the bucket, read from S3. The time until then is the recovery point (RPO). It is measured without hints, so
file-sync only polls.
"""

import asyncio
import random
import time
import uuid
from dataclasses import dataclass

from tenancy.names import build_persona_prefix, derive_file_document_id, parse_object_key
from tenantry_local.parts.aws import BUCKET, Aws
from tenantry_local.platform import Platform

from tests.support.documents.files import make_pdf
from tests.support.documents.uploads import SampleFile, upload
from tests.support.timing.waiting import wait_until

from .report import Figure, get_percentile
from .tenant_fixture import TenantFixture, create_tenant

__all__ = ["measure"]

PAGES = 10
LINES = 40
"""Lines per page, of about 80 characters."""

SEQUENTIAL_UPLOADS = 15
RANDOM_UPLOADS = 120
PERIOD_SECONDS = 90.0
POLL_SECONDS = 0.1
TIMEOUT_SECONDS = 120


async def measure(platform: Platform) -> list[Figure]:
    """Measure on a platform with all parts."""
    async with create_tenant(platform, "bench-uploads") as tenant:
        ready = [await _measure_searchable(tenant) for _ in range(SEQUENTIAL_UPLOADS + 1)][1:]
        async with tenant.webui.override_valves("tenantry_events", file_sync_url=""):
            stored = await _measure_stored(tenant)
    note = f"PDF of {PAGES} pages, {SEQUENTIAL_UPLOADS} sequential"
    polling = f"polling only, {RANDOM_UPLOADS} such PDFs within {PERIOD_SECONDS:g} s"
    return [
        Figure("upload to ready, p50", get_percentile(ready, 50), "s", 5, note=note),
        Figure("upload to ready, p95", get_percentile(ready, 95), "s", note=note),
        Figure("upload to S3, p50", get_percentile(stored, 50), "s", note=polling),
        Figure("upload to S3, p99", get_percentile(stored, 99), "s", 15, note=polling),
    ]


@dataclass(frozen=True)
class _Upload:
    """A file that Open WebUI has accepted; ``at`` is the time of Open WebUI's response."""

    file_id: str
    word: str
    began: float
    at: float


async def _upload(tenant: TenantFixture) -> _Upload:
    """Upload a new PDF into the knowledge base, with the page's request."""
    word = uuid.uuid4().hex
    paper = SampleFile(f"report-{word[:8]}.pdf", _make_pdf(word))
    began = time.perf_counter()
    response = await upload(tenant.clients[0].person, tenant.knowledge_id, paper)
    response.raise_for_status()
    return _Upload(response.json()["id"], word, began, time.perf_counter())


async def _measure_searchable(tenant: TenantFixture) -> float:
    """Return the seconds from the start of an upload until a search finds the file."""
    sent = await _upload(tenant)
    await wait_until(lambda: _is_ready(tenant, sent), seconds=TIMEOUT_SECONDS, every=POLL_SECONDS)
    await wait_until(lambda: _is_found(tenant, sent), seconds=TIMEOUT_SECONDS, every=POLL_SECONDS)
    return time.perf_counter() - sent.began


async def _is_ready(tenant: TenantFixture, sent: _Upload) -> bool:
    response = await tenant.file_sync.get("/v1/files", params={"id": sent.file_id})
    response.raise_for_status()
    return [file["state"] for file in response.json()["files"]] == ["ready"]


async def _is_found(tenant: TenantFixture, sent: _Upload) -> bool:
    response = await tenant.gateway.post("/v1/search", json={"query": f"report {sent.word}"})
    response.raise_for_status()
    document_ids = {passage["documentId"] for passage in response.json()["passages"]}
    return derive_file_document_id(sent.file_id) in document_ids


async def _measure_stored(tenant: TenantFixture) -> list[float]:
    """Upload files at random times; return the seconds from each response until the file is in S3."""
    seen: dict[str, float] = {}
    watching = asyncio.create_task(_watch(tenant, seen))

    async def measure_one(moment: float) -> _Upload:
        await asyncio.sleep(moment)
        return await _upload(tenant)

    try:
        draw = random.Random(5)
        moments = [draw.uniform(0, PERIOD_SECONDS) for _ in range(RANDOM_UPLOADS)]
        uploads = await asyncio.gather(*map(measure_one, moments))
        wanted = {derive_file_document_id(sent.file_id): sent.at for sent in uploads}
        await wait_until(lambda: wanted.keys() <= seen.keys(), seconds=TIMEOUT_SECONDS)
    finally:
        watching.cancel()
    return [seen[document] - at for document, at in wanted.items()]


async def _watch(tenant: TenantFixture, seen: dict[str, float]) -> None:
    """Record the time at which each document first appears in the bucket."""
    s3 = Aws(tenant.platform.context).s3
    prefix = build_persona_prefix(tenant.tenant_id, "finance")
    while True:
        listed = await asyncio.to_thread(s3.list_objects_v2, Bucket=BUCKET, Prefix=prefix)
        for entry in listed.get("Contents", []):
            if parsed := parse_object_key(tenant.tenant_id, entry["Key"]):
                seen.setdefault(parsed[1], time.perf_counter())
        await asyncio.sleep(POLL_SECONDS)


def _make_pdf(word: str) -> bytes:
    """Return a PDF of full pages that contains ``word`` once and repeats almost no line."""
    draw = random.Random(word)

    def make_page(number: int) -> str:
        return "\n".join(
            f"Line {line} of page {number} describes lot {draw.randrange(10**6)}, which has many parts."
            for line in range(LINES)
        )

    return make_pdf(
        f"This is report {word}.\n{make_page(1)}", *(make_page(number) for number in range(2, PAGES + 1))
    )
