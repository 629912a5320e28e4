"""Tests of a part that is killed during 200 uploads of four tenants: each file is stored once."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

import pytest

from tests.support.documents.ground_truth import find_errors
from tests.support.documents.uploads import Uploader, make_sample_files
from tests.support.faults.part_restarter import run_part_restarter
from tests.support.tenants.temporary import TemporaryTenant
from tests.support.timing.waiting import wait_until

from .conftest import FaultHarness

pytestmark = [pytest.mark.programs, pytest.mark.timeout(900)]

TENANTS = ("riverside", "hillside", "lakeside", "seaside")
FILES_PER_TENANT = 50
"""Number of files of each tenant."""

KILL_AFTER = len(TENANTS) * FILES_PER_TENANT // 3
"""Number of acknowledged uploads at which the part is killed."""

UPLOADS_DURING_OUTAGE = 20
"""Number of further uploads before the part may restart."""

MAX_OUTAGE_SECONDS = 5
"""Maximum time before the part may restart."""

SETTLE_TIMEOUT_SECONDS = 180

PARTS = ("file-sync", "n8n-worker", "n8n", "n8n-webhook", "gateway", "open-webui", "redis")


@pytest.mark.parametrize("part", PARTS)
async def test_every_upload_is_indexed_exactly_once_although_a_part_is_killed(
    harness: FaultHarness, part: str
) -> None:
    async with AsyncExitStack() as stack:
        tenants = await stack.enter_async_context(harness.create_tenants(*TENANTS))
        uploaders = await asyncio.gather(*(create_uploader(harness, tenant) for tenant in tenants))
        restarter = await stack.enter_async_context(run_part_restarter(harness.platform))
        began = time.monotonic()
        uploading = asyncio.gather(*(uploader.upload_all() for uploader in uploaders))
        await wait_until(lambda: count_acknowledged(uploaders) >= KILL_AFTER, seconds=120)
        killed_at, ended = count_acknowledged(uploaders), time.monotonic() + MAX_OUTAGE_SECONDS
        with restarter.keep_down(part):
            await wait_until(
                lambda: (
                    count_acknowledged(uploaders) >= killed_at + UPLOADS_DURING_OUTAGE
                    or time.monotonic() > ended
                ),
                seconds=MAX_OUTAGE_SECONDS + 10,
            )
        await uploading
        uploaded = time.monotonic()
        await require_correct(harness, uploaders)
        settled = time.monotonic()
    print(
        f"{part} killed after {killed_at} of {count_acknowledged(uploaders)} uploads: "
        f"{uploaded - began:.0f} s for all, "
        f"{sum(uploader.repeated for uploader in uploaders)} repeated; "
        f"all found {settled - uploaded:.0f} s later; "
        f"restarted: {dict(restarter.restarts)}"
    )


async def create_uploader(harness: FaultHarness, tenant: TemporaryTenant) -> Uploader:
    """Log a member of a tenant in and return an uploader for their files."""
    person, token = await harness.log_in_member(tenant)
    return Uploader(
        tenant.id, person, token, tenant.knowledge, make_sample_files(tenant.id, FILES_PER_TENANT)
    )


def count_acknowledged(uploaders: Sequence[Uploader]) -> int:
    """Return the number of acknowledged uploads."""
    return sum(len(uploader.done) for uploader in uploaders)


async def require_correct(harness: FaultHarness, uploaders: Sequence[Uploader]) -> None:
    """Wait until exactly the uploaded files are stored and indexed."""
    wrong: list[str] = []

    def is_right() -> bool:
        wrong[:] = list_errors(harness, uploaders)
        return not wrong

    with suppress(TimeoutError):
        await wait_until(is_right, seconds=SETTLE_TIMEOUT_SECONDS, every=1.0)
    assert not wrong, f"{len(wrong)} errors: {wrong[:10]}"


def list_errors(harness: FaultHarness, uploaders: Sequence[Uploader]) -> list[str]:
    """Return the differences between uploaded and stored files."""
    content = {file.name: file.content for uploader in uploaders for file in uploader.files}
    rows = harness.ground_truth.list_files([uploader.knowledge for uploader in uploaders])
    # A file can be stored without an acknowledgement of its upload. Then the uploader has uploaded it again.
    expected = {
        uploader.tenant_id: {
            row.id: (row.filename, content[row.filename])
            for row in rows
            if row.knowledge == uploader.knowledge
        }
        for uploader in uploaders
    }
    lost = [
        f"{file.name} was acknowledged and is not in Open WebUI"
        for uploader in uploaders
        for file_id, file in uploader.done.items()
        if file_id not in expected[uploader.tenant_id]
    ]
    seen = harness.ground_truth.read_stores(
        [uploader.tenant_id for uploader in uploaders], [f"owui-{row.id}" for row in rows]
    )
    return lost + find_errors(expected, seen)
