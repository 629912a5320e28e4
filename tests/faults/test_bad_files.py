"""Bad files and strange names, through the real Open WebUI: each ends in a stated state."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from tenancy.names import model_id

from tests.support.companies import Company
from tests.support.files import encrypted_pdf, pdf_file, zip_bomb_docx
from tests.support.open_webui import Person
from tests.support.uploads import SampleFile, upload
from tests.support.waiting import until

from .conftest import Town

pytestmark = [pytest.mark.programs, pytest.mark.timeout(600)]

ENDED_SECONDS = 60
"""How long a file may take to its last state, on a machine that runs everything."""

MEBIBYTE = 1024 * 1024
SWELLING = 32 * MEBIBYTE
"""More than that a process must not grow because of a file that it refuses."""

EXE = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00" + bytes(4096)
GOOD = SampleFile("plan.md", b"# Plan\n\nThe approved marketing budget for 2026 is $5,000,000.")
QUESTION = "What is the approved marketing budget for 2026?"

FAILING = {
    "a program that was renamed": (
        SampleFile("report.pdf", EXE),
        "The file is binary, and of no format that is read.",
    ),
    "an encrypted PDF": (
        SampleFile("salaries.pdf", encrypted_pdf("secret")),
        "The PDF is encrypted. Remove its password and send it again.",
    ),
    "a picture without text, as a PDF": (SampleFile("scan.pdf", pdf_file("")), "text"),
    "nothing but blanks": (SampleFile("blank.txt", b" \n\t\n "), "The file is empty."),
    "a cut-off PDF": (SampleFile("cut.pdf", pdf_file("Whole.")[:60]), "damaged"),
    "text that says it is a PDF": (
        SampleFile("letter.pdf", b"Dear all, the tide comes at noon."),
        "The file is named as PDF, but its content is text. Rename it or send the right one.",
    ),
    "an archive that unpacks to ten gigabytes": (
        SampleFile("bomb.docx", zip_bomb_docx(10 * 2**30 % 2**32)),
        "",
    ),
}

STRANGE = {
    "longer than any file system takes": "n" * 3896 + ".txt",
    "the way to another folder": "../../../../etc/passwd.txt",
    "the same in Windows' way": "..\\..\\windows\\system.txt",
    "emoji": "🏖️ Strand 👩‍👩‍👧 Ürlaub.txt",
    "quotes and a line break": "a \"quote\" 'and'\nmore.txt",
    "right to left": "\u202egnp.txt",
    "a percent sign": "100%25 %2F..%2F <b>sure.txt",
}


@dataclass
class Office:
    """A person of a company, and what becomes of their files."""

    town: Town
    company: Company
    diana: Person
    token: str

    async def give(self, paper: SampleFile) -> str:
        """Upload a file that Open WebUI takes; return its id."""
        response = await upload(self.diana, self.company.knowledge, paper)
        assert response.is_success, response.text
        return str(response.json()["id"])

    async def told(self, file_id: str) -> tuple[str, str | None]:
        """Return state and reason of a file, once it goes no further."""
        found: dict[str, tuple[str, str | None]] = {}

        async def ended() -> bool:
            found.update(
                (each["id"], (each["state"], each["reason"])) for each in await self.town.files(self.token)
            )
            return file_id in found and found[file_id][0] not in (
                "waiting",
                "received",
                "indexing",
                "not-synced",
            )

        await until(ended, seconds=ENDED_SECONDS, every=0.3)
        return found[file_id]


@pytest.fixture(scope="module")
async def office(town: Town) -> AsyncIterator[Office]:
    async with town.company("riverside") as company:
        yield Office(town, company, *await town.employee(company))


@pytest.mark.parametrize("what", FAILING)
async def test_a_file_that_cannot_be_read_fails_with_a_reason_that_helps(office: Office, what: str) -> None:
    paper, reason = FAILING[what]
    state, told = await office.told(await office.give(paper))
    print(f"{what}: {state}: {told}")
    assert state == "failed"
    assert told
    assert reason in told


@pytest.mark.parametrize("what", STRANGE)
async def test_a_file_with_a_strange_name_is_ready_when_its_content_is_good(
    office: Office, what: str
) -> None:
    file_id = await office.give(SampleFile(STRANGE[what], f"Good content of {what}.".encode()))
    assert await office.told(file_id) == ("ready", None)
    (key,) = [key for key in office.town.truth.get_stored([office.company.id], []).objects if file_id in key]
    print(f"{what}: {key.rpartition('/')[2]!r}")
    assert key.startswith(f"tenant-{office.company.id}/finance/documents/owui-{file_id}/")
    assert len(key.encode()) < 500


@pytest.mark.parametrize(
    ("paper", "status", "sentence"),
    [
        (SampleFile("empty.txt", b""), 400, "The content provided is empty."),
        (SampleFile("setup.exe", EXE), 400, "[ERROR: File type exe is not allowed]"),
        (SampleFile("no-ending", b"Something."), 400, "[ERROR: File type  is not allowed]"),
        (SampleFile("n" * 4996 + ".txt", b"Something."), 400, "Invalid multipart data."),
    ],
    ids=["empty", "a program", "without an ending", "a name of 5,000 characters"],
)
async def test_what_open_webui_refuses_is_told_at_the_upload_and_stored_nowhere(
    office: Office, paper: SampleFile, status: int, sentence: str
) -> None:
    response = await upload(office.diana, office.company.knowledge, paper)
    assert (response.status_code, response.json()["detail"][: len(sentence)]) == (status, sentence)
    assert paper.name not in {each["filename"] for each in await office.town.files(office.token)}


async def test_a_file_of_200_mib_is_refused_and_no_service_of_ours_swells(
    office: Office, tmp_path: Path
) -> None:
    large = tmp_path / "large.txt"
    with large.open("wb") as file:
        file.truncate(200 * MEBIBYTE)
    with watched(office.town, ("gateway", "file-sync", "open-webui")) as grown, large.open("rb") as file:
        response = await office.diana.http.post(
            "/api/v1/files/", files={"file": (large.name, file)}, timeout=120
        )
        assert response.status_code == 413
        assert response.json()["detail"].endswith(
            "is too large. Please upload a file that is less than 50 MB."
        )
    print({name: f"{grew / MEBIBYTE:.0f} MiB" for name, grew in grown.items()})
    assert grown["gateway"] < SWELLING
    assert grown["file-sync"] < SWELLING
    assert large.name not in {each["filename"] for each in await office.town.files(office.token)}


@pytest.mark.parametrize("letter", ["n", "港"])
async def test_a_file_that_was_renamed_to_5000_characters_stays_ready_under_a_shorter_name(
    office: Office, letter: str
) -> None:
    file_id = await office.give(SampleFile("short.txt", f"Good content of {letter}.".encode()))
    assert await office.told(file_id) == ("ready", None)
    await office.diana.post(f"/api/v1/files/{file_id}/rename", {"filename": letter * 4996 + ".txt"})

    def names() -> list[str]:
        objects = office.town.truth.get_stored([office.company.id], []).objects
        return [key.rpartition("/")[2] for key in objects if file_id in key]

    short = letter * (196 // len(letter.encode())) + ".txt"
    await until(lambda: names() == [short], seconds=ENDED_SECONDS, every=0.3)
    assert await office.told(file_id) == ("ready", None)


async def test_c13_a_new_version_under_the_same_name_replaces_the_old_one(office: Office) -> None:
    model = model_id(office.company.id, "finance")
    first = await office.give(SampleFile("canteen.txt", b"Lunch in the canteen costs 10 crowns."))
    assert await office.told(first) == ("ready", None)
    await asyncio.sleep(1)  # Open WebUI has times in seconds, and two files of one second are no versions
    second = await office.give(SampleFile("canteen.txt", b"Lunch in the canteen costs 20 crowns."))
    assert await office.told(second) == ("ready", None)

    async def is_replaced() -> bool:
        return (await office.told(first))[0] == "replaced"

    await until(is_replaced, seconds=ENDED_SECONDS)
    seen = office.town.truth.get_stored([office.company.id], [])
    keys = {key.split("/")[3] for key in seen.objects if key.endswith("/canteen.txt")}
    assert keys == {f"owui-{second}"}
    for _ in range(3):
        answer = (await office.diana.chat(model, "What does lunch in the canteen cost?")).content
        assert "20 crowns" in answer
        assert "10 crowns" not in answer


async def test_a_good_file_among_bad_ones_is_found_and_the_chat_says_what_is_wrong_with_the_others(
    office: Office,
) -> None:
    bad = [paper for paper, _ in FAILING.values()]
    *_, good = [await office.give(paper) for paper in (*bad, GOOD)]
    assert await office.told(good) == ("ready", None)
    model = model_id(office.company.id, "finance")
    assert "$5,000,000" in (await office.diana.chat(model, QUESTION)).content
    listed = (await office.diana.chat(model, "/files")).content
    assert "`plan.md` is ready" in listed
    assert "`salaries.pdf` could not be indexed: The PDF is encrypted." in listed


@contextmanager
def watched(town: Town, names: Sequence[str]) -> Iterator[dict[str, int]]:
    """Watch parts' memory; at the end of the block it says by how many bytes each had grown at most."""

    def memory() -> dict[str, int]:
        return {name: _memory(town, name) for name in names}

    before, grown = memory(), dict.fromkeys(names, 0)

    async def watch() -> None:
        while True:
            for name, now in memory().items():
                grown[name] = max(grown[name], now - before[name])
            await asyncio.sleep(0.1)

    watching = asyncio.get_running_loop().create_task(watch())
    try:
        yield grown
    finally:
        watching.cancel()


def _memory(town: Town, name: str) -> int:
    process = town.platform.processes.find(name)
    assert process
    leader = psutil.Process(process.pid)
    return sum(each.memory_info().rss for each in (leader, *leader.children(recursive=True)))
