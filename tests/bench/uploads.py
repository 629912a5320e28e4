"""Files that people put into a knowledge base: how soon they are found, and how soon they are safe.

Ready means that file-sync says so and a search finds the file's own words. Safe means that the object lies in
the tenant's bucket, seen there and not asked of file-sync: what comes before is what could be lost with Open
WebUI (RPO). For that file-sync is told nothing and only polls.
"""

import asyncio
import random
import time
import uuid
from dataclasses import dataclass

from tenancy.names import document_id_for_file, parse_object_key, persona_prefix
from tenantry_local.parts.aws import BUCKET, Aws
from tenantry_local.platform import Platform

from tests.support.files import pdf_file
from tests.support.uploads import SampleFile, upload
from tests.support.waiting import until

from .office import Office, open_office
from .report import Figure, percentile

__all__ = ["measure"]

PAGES = 10
LINES = 40
"""Of a page, each of some 80 characters."""

ONE_BY_ONE = 15
AT_RANDOM = 120
WITHIN_SECONDS = 90.0
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 120


async def measure(platform: Platform) -> list[Figure]:
    """Measure on a whole platform."""
    async with open_office(platform, "bench-uploads") as office:
        ready = [await _until_found(office) for _ in range(ONE_BY_ONE + 1)][1:]
        async with office.webui.valves("tenantry_events", file_sync_url=""):
            safe = await _until_safe(office)
    note = f"PDF of {PAGES} pages, {ONE_BY_ONE} one by one"
    polling = f"polling alone, {AT_RANDOM} such PDFs within {WITHIN_SECONDS:g} s"
    return [
        Figure("upload to ready, p50", percentile(ready, 50), "s", 5, note=note),
        Figure("upload to ready, p95", percentile(ready, 95), "s", note=note),
        Figure("upload to S3, p50", percentile(safe, 50), "s", note=polling),
        Figure("upload to S3, p99", percentile(safe, 99), "s", 15, note=polling),
    ]


@dataclass(frozen=True)
class _Upload:
    """A file that Open WebUI has taken; ``at`` is when it said so."""

    file_id: str
    word: str
    began: float
    at: float


async def _upload(office: Office) -> _Upload:
    """Upload a PDF that nobody has seen before into the knowledge base, as the page does."""
    word = uuid.uuid4().hex
    paper = SampleFile(f"report-{word[:8]}.pdf", _pdf(word))
    began = time.perf_counter()
    response = await upload(office.pages[0].person, office.knowledge_id, paper)
    response.raise_for_status()
    return _Upload(response.json()["id"], word, began, time.perf_counter())


async def _until_found(office: Office) -> float:
    """Return the seconds from the beginning of an upload until searches find it."""
    sent = await _upload(office)
    await until(lambda: _ready(office, sent), seconds=PATIENCE_SECONDS, every=POLL_SECONDS)
    await until(lambda: _found(office, sent), seconds=PATIENCE_SECONDS, every=POLL_SECONDS)
    return time.perf_counter() - sent.began


async def _ready(office: Office, sent: _Upload) -> bool:
    response = await office.file_sync.get("/v1/files", params={"id": sent.file_id})
    response.raise_for_status()
    return [each["state"] for each in response.json()["files"]] == ["ready"]


async def _found(office: Office, sent: _Upload) -> bool:
    response = await office.gateway.post("/v1/search", json={"query": f"report {sent.word}"})
    response.raise_for_status()
    found = {passage["documentId"] for passage in response.json()["passages"]}
    return document_id_for_file(sent.file_id) in found


async def _until_safe(office: Office) -> list[float]:
    """Return, for uploads at random moments, the seconds from Open WebUI's answer until they lie in S3."""
    seen: dict[str, float] = {}
    watching = asyncio.create_task(_watch(office, seen))

    async def one(moment: float) -> _Upload:
        await asyncio.sleep(moment)
        return await _upload(office)

    try:
        draw = random.Random(5)
        moments = [draw.uniform(0, WITHIN_SECONDS) for _ in range(AT_RANDOM)]
        uploads = await asyncio.gather(*map(one, moments))
        wanted = {document_id_for_file(sent.file_id): sent.at for sent in uploads}
        await until(lambda: wanted.keys() <= seen.keys(), seconds=PATIENCE_SECONDS)
    finally:
        watching.cancel()
    return [seen[document] - at for document, at in wanted.items()]


async def _watch(office: Office, seen: dict[str, float]) -> None:
    """Note when each document is first seen in the tenant's bucket."""
    s3 = Aws(office.platform.context).s3
    prefix = persona_prefix(office.tenant_id, "finance")
    while True:
        listed = await asyncio.to_thread(s3.list_objects_v2, Bucket=BUCKET, Prefix=prefix)
        for entry in listed.get("Contents", []):
            if parsed := parse_object_key(office.tenant_id, entry["Key"]):
                seen.setdefault(parsed[1], time.perf_counter())
        await asyncio.sleep(POLL_SECONDS)


def _pdf(word: str) -> bytes:
    """Return a PDF of full pages, in which ``word`` stands once and hardly a line twice."""
    draw = random.Random(word)

    def page(number: int) -> str:
        return "\n".join(
            f"Line {line} of page {number} tells of lot {draw.randrange(10**6)}, which has many parts."
            for line in range(LINES)
        )

    return pdf_file(f"This is report {word}.\n{page(1)}", *(page(number) for number in range(2, PAGES + 1)))
