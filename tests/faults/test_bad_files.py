"""Tests of bad files and unusual names in the real Open WebUI: each reaches a documented state."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from tenancy.names import build_model_id

from tests.support.documents.files import make_docx_zip_bomb, make_encrypted_pdf, make_pdf
from tests.support.documents.uploads import SampleFile
from tests.support.documents.uploads import upload as upload_file
from tests.support.open_webui.clients import Person
from tests.support.tenants.temporary import TemporaryTenant
from tests.support.timing.waiting import wait_until

from .conftest import FaultHarness

pytestmark = [pytest.mark.programs, pytest.mark.timeout(600)]

RESULT_TIMEOUT_SECONDS = 60
"""Timeout until a file reaches its final state."""

MEBIBYTE = 1024 * 1024
MAX_GROWTH = 32 * MEBIBYTE
"""Maximum growth of a process's memory while it refuses a file."""

EXE = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00" + bytes(4096)
GOOD = SampleFile("plan.md", b"# Plan\n\nThe approved marketing budget for 2026 is $5,000,000.")
QUESTION = "What is the approved marketing budget for 2026?"

FAILING = {
    "a renamed program": (
        SampleFile("report.pdf", EXE),
        "The file is binary, and its format is not supported.",
    ),
    "an encrypted PDF": (
        SampleFile("salaries.pdf", make_encrypted_pdf("secret")),
        "The PDF is encrypted. Remove its password and send it again.",
    ),
    "a PDF with only an image": (SampleFile("scan.pdf", make_pdf("")), "text"),
    "only whitespace": (SampleFile("blank.txt", b" \n\t\n "), "The file is empty."),
    "a cut-off PDF": (SampleFile("cut.pdf", make_pdf("Whole.")[:60]), "damaged"),
    "text that is named as PDF": (
        SampleFile("letter.pdf", b"Dear all, the tide comes at noon."),
        "The file is named as PDF, but its content is text. Rename it or send the right one.",
    ),
    "an archive that unpacks to ten gigabytes": (
        SampleFile("bomb.docx", make_docx_zip_bomb(10 * 2**30 % 2**32)),
        "",
    ),
}

UNUSUAL_NAMES = {
    "longer than a file system allows": "n" * 3896 + ".txt",
    "path traversal": "../../../../etc/passwd.txt",
    "path traversal on Windows": "..\\..\\windows\\system.txt",
    "emoji": "🏖️ Strand 👩‍👩‍👧 Ürlaub.txt",
    "quotes and a line break": "a \"quote\" 'and'\nmore.txt",
    "right to left": "\u202egnp.txt",
    "a percent sign": "100%25 %2F..%2F <b>sure.txt",
}


@dataclass
class Uploads:
    """Uploads by a member of a tenant."""

    harness: FaultHarness
    tenant: TemporaryTenant
    diana: Person
    token: str

    async def upload(self, paper: SampleFile) -> str:
        """Upload a file that Open WebUI accepts and return its id."""
        response = await upload_file(self.diana, self.tenant.knowledge, paper)
        assert response.is_success, response.text
        return str(response.json()["id"])

    async def wait_for_result(self, file_id: str) -> tuple[str, str | None]:
        """Wait for the final state of a file and return it with its reason."""
        results: dict[str, tuple[str, str | None]] = {}

        async def has_ended() -> bool:
            results.update(
                (file["id"], (file["state"], file["reason"]))
                for file in await self.harness.list_files(self.token)
            )
            return file_id in results and results[file_id][0] not in (
                "waiting",
                "received",
                "indexing",
                "not-synced",
            )

        await wait_until(has_ended, seconds=RESULT_TIMEOUT_SECONDS, every=0.3)
        return results[file_id]


@pytest.fixture(scope="module")
async def uploads(harness: FaultHarness) -> AsyncIterator[Uploads]:
    async with harness.create_tenant("riverside") as tenant:
        yield Uploads(harness, tenant, *await harness.log_in_member(tenant))


@pytest.mark.parametrize("what", FAILING)
async def test_an_unreadable_file_fails_with_a_reason(uploads: Uploads, what: str) -> None:
    paper, reason = FAILING[what]
    state, actual_reason = await uploads.wait_for_result(await uploads.upload(paper))
    print(f"{what}: {state}: {actual_reason}")
    assert state == "failed"
    assert actual_reason
    assert reason in actual_reason


@pytest.mark.parametrize("what", UNUSUAL_NAMES)
async def test_a_file_with_an_unusual_name_becomes_ready(uploads: Uploads, what: str) -> None:
    file_id = await uploads.upload(SampleFile(UNUSUAL_NAMES[what], f"Good content of {what}.".encode()))
    assert await uploads.wait_for_result(file_id) == ("ready", None)
    (key,) = [
        key
        for key in uploads.harness.ground_truth.read_stores([uploads.tenant.id], []).objects
        if file_id in key
    ]
    print(f"{what}: {key.rpartition('/')[2]!r}")
    assert key.startswith(f"tenant-{uploads.tenant.id}/finance/documents/owui-{file_id}/")
    assert len(key.encode()) < 500


@pytest.mark.parametrize(
    ("paper", "status", "sentence"),
    [
        (SampleFile("empty.txt", b""), 400, "The content provided is empty."),
        (SampleFile("setup.exe", EXE), 400, "[ERROR: File type exe is not allowed]"),
        (SampleFile("no-ending", b"Something."), 400, "[ERROR: File type  is not allowed]"),
        (SampleFile("n" * 4996 + ".txt", b"Something."), 400, "Invalid multipart data."),
    ],
    ids=["empty", "program", "no-extension", "name-of-5000-characters"],
)
async def test_a_file_that_open_webui_refuses_is_not_stored(
    uploads: Uploads, paper: SampleFile, status: int, sentence: str
) -> None:
    response = await upload_file(uploads.diana, uploads.tenant.knowledge, paper)
    assert (response.status_code, response.json()["detail"][: len(sentence)]) == (status, sentence)
    assert paper.name not in {each["filename"] for each in await uploads.harness.list_files(uploads.token)}


async def test_a_file_of_200_mib_is_refused_without_memory_growth(uploads: Uploads, tmp_path: Path) -> None:
    large = tmp_path / "large.txt"
    with large.open("wb") as file:
        file.truncate(200 * MEBIBYTE)
    with (
        measure_memory_growth(uploads.harness, ("gateway", "file-sync", "open-webui")) as grown,
        large.open("rb") as file,
    ):
        response = await uploads.diana.http.post(
            "/api/v1/files/", files={"file": (large.name, file)}, timeout=120
        )
        assert response.status_code == 413
        assert response.json()["detail"].endswith(
            "is too large. Please upload a file that is less than 50 MB."
        )
    print({name: f"{grew / MEBIBYTE:.0f} MiB" for name, grew in grown.items()})
    assert grown["gateway"] < MAX_GROWTH
    assert grown["file-sync"] < MAX_GROWTH
    assert large.name not in {each["filename"] for each in await uploads.harness.list_files(uploads.token)}


@pytest.mark.parametrize("letter", ["n", "港"])
async def test_a_name_of_5000_characters_is_shortened_and_the_file_stays_ready(
    uploads: Uploads, letter: str
) -> None:
    file_id = await uploads.upload(SampleFile("short.txt", f"Good content of {letter}.".encode()))
    assert await uploads.wait_for_result(file_id) == ("ready", None)
    await uploads.diana.post(f"/api/v1/files/{file_id}/rename", {"filename": letter * 4996 + ".txt"})

    def list_names() -> list[str]:
        objects = uploads.harness.ground_truth.read_stores([uploads.tenant.id], []).objects
        return [key.rpartition("/")[2] for key in objects if file_id in key]

    short = letter * (196 // len(letter.encode())) + ".txt"
    await wait_until(lambda: list_names() == [short], seconds=RESULT_TIMEOUT_SECONDS, every=0.3)
    assert await uploads.wait_for_result(file_id) == ("ready", None)


async def test_a_new_version_under_the_same_name_replaces_the_old_one(uploads: Uploads) -> None:
    model = build_model_id(uploads.tenant.id, "finance")
    first = await uploads.upload(SampleFile("canteen.txt", b"Lunch in the canteen costs 10 crowns."))
    assert await uploads.wait_for_result(first) == ("ready", None)
    await asyncio.sleep(1)  # Open WebUI's times are in seconds, and file-sync orders versions by them
    second = await uploads.upload(SampleFile("canteen.txt", b"Lunch in the canteen costs 20 crowns."))
    assert await uploads.wait_for_result(second) == ("ready", None)

    async def is_replaced() -> bool:
        return (await uploads.wait_for_result(first))[0] == "replaced"

    await wait_until(is_replaced, seconds=RESULT_TIMEOUT_SECONDS)
    seen = uploads.harness.ground_truth.read_stores([uploads.tenant.id], [])
    keys = {key.split("/")[3] for key in seen.objects if key.endswith("/canteen.txt")}
    assert keys == {f"owui-{second}"}
    for _ in range(3):
        answer = (await uploads.diana.ask_in_chat(model, "What does lunch in the canteen cost?")).content
        assert "20 crowns" in answer
        assert "10 crowns" not in answer


async def test_a_good_file_among_bad_ones_is_found_and_the_chat_lists_the_errors(
    uploads: Uploads,
) -> None:
    bad = [paper for paper, _ in FAILING.values()]
    *_, good = [await uploads.upload(paper) for paper in (*bad, GOOD)]
    assert await uploads.wait_for_result(good) == ("ready", None)
    model = build_model_id(uploads.tenant.id, "finance")
    assert "$5,000,000" in (await uploads.diana.ask_in_chat(model, QUESTION)).content
    listed = (await uploads.diana.ask_in_chat(model, "/files")).content
    assert "`plan.md` is ready" in listed
    assert "`salaries.pdf` could not be indexed: The PDF is encrypted." in listed


@contextmanager
def measure_memory_growth(harness: FaultHarness, names: Sequence[str]) -> Iterator[dict[str, int]]:
    """Measure parts inside the block; yield the maximum growth of each in bytes."""

    def measure_memory() -> dict[str, int]:
        return {name: _get_memory(harness, name) for name in names}

    before, grown = measure_memory(), dict.fromkeys(names, 0)

    async def watch() -> None:
        while True:
            for name, now in measure_memory().items():
                grown[name] = max(grown[name], now - before[name])
            await asyncio.sleep(0.1)

    watching = asyncio.get_running_loop().create_task(watch())
    try:
        yield grown
    finally:
        watching.cancel()


def _get_memory(harness: FaultHarness, name: str) -> int:
    process = harness.platform.processes.find(name)
    assert process
    leader = psutil.Process(process.pid)
    return sum(each.memory_info().rss for each in (leader, *leader.children(recursive=True)))
