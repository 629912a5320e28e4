"""Killed in the middle of 200 uploads by four tenants: every file is stored and found once, in its tenant."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

import pytest

from tests.support.companies import Company
from tests.support.ground_truth import find_errors
from tests.support.kubelet import running_kubelet
from tests.support.uploads import Uploader, sample_files
from tests.support.waiting import until

from .conftest import Town

pytestmark = [pytest.mark.programs, pytest.mark.timeout(900)]

NAMES = ("riverside", "hillside", "lakeside", "seaside")
FILES = 50
"""Of each tenant."""

KILL_AFTER = len(NAMES) * FILES // 3
"""So many uploads are through when something dies."""

MEANWHILE = 20
"""So many more go on while it is dead, if any can."""

DEAD_SECONDS = 5
"""So long it stays dead at most."""

SETTLED_SECONDS = 180

PARTS = ("file-sync", "n8n-worker", "n8n", "n8n-webhook", "gateway", "open-webui", "redis")


@pytest.mark.parametrize("part", PARTS)
async def test_every_upload_is_stored_and_found_exactly_once_in_its_tenant_though_this_is_killed(
    town: Town, part: str
) -> None:
    async with AsyncExitStack() as stack:
        companies = await stack.enter_async_context(town.companies(*NAMES))
        uploaders = await asyncio.gather(*(make_uploader(town, company) for company in companies))
        kubelet = await stack.enter_async_context(running_kubelet(town.platform))
        began = time.monotonic()
        uploading = asyncio.gather(*(each.upload_all() for each in uploaders))
        await until(lambda: through(uploaders) >= KILL_AFTER, seconds=120)
        killed_at, ended = through(uploaders), time.monotonic() + DEAD_SECONDS
        with kubelet.kept_down(part):
            await until(
                lambda: through(uploaders) >= killed_at + MEANWHILE or time.monotonic() > ended,
                seconds=DEAD_SECONDS + 10,
            )
        await uploading
        uploaded = time.monotonic()
        await all_is_right(town, uploaders)
        settled = time.monotonic()
    print(
        f"{part} killed after {killed_at} of {through(uploaders)} uploads: {uploaded - began:.0f} s for all, "
        f"{sum(each.repeated for each in uploaders)} repeated; all found {settled - uploaded:.0f} s later; "
        f"restarted: {dict(kubelet.restarts)}"
    )


async def make_uploader(town: Town, company: Company) -> Uploader:
    """Let somebody of a company sit down with their files."""
    person, token = await town.employee(company)
    return Uploader(company.id, person, token, company.knowledge, sample_files(company.id, FILES))


def through(uploaders: Sequence[Uploader]) -> int:
    """Return how many uploads were acknowledged."""
    return sum(len(each.done) for each in uploaders)


async def all_is_right(town: Town, uploaders: Sequence[Uploader]) -> None:
    """Return when everything that people have uploaded is where it should be, and nothing else."""
    wrong: list[str] = []

    def is_right() -> bool:
        wrong[:] = what_is_wrong(town, uploaders)
        return not wrong

    with suppress(TimeoutError):
        await until(is_right, seconds=SETTLED_SECONDS, every=1.0)
    assert not wrong, f"{len(wrong)} are wrong: {wrong[:10]}"


def what_is_wrong(town: Town, uploaders: Sequence[Uploader]) -> list[str]:
    """Compare what people have uploaded with what is there."""
    content = {file.name: file.content for each in uploaders for file in each.files}
    rows = town.truth.rows([each.knowledge for each in uploaders])
    # A file may be stored though its upload was never acknowledged; then it was uploaded once more, too.
    expected = {
        each.tenant_id: {
            row.id: (row.filename, content[row.filename]) for row in rows if row.knowledge == each.knowledge
        }
        for each in uploaders
    }
    lost = [
        f"{file.name} was acknowledged and is not in Open WebUI"
        for each in uploaders
        for file_id, file in each.done.items()
        if file_id not in expected[each.tenant_id]
    ]
    seen = town.truth.get_stored([each.tenant_id for each in uploaders], [f"owui-{row.id}" for row in rows])
    return lost + find_errors(expected, seen)
