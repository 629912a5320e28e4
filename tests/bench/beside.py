"""The same documents and questions, in the same run, through us and through Open WebUI's own RAG."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tenancy.names import document_id_for_file
from tenantry_local.platform import Platform

from tests.support.uploads import SampleFile, upload
from tests.support.waiting import until

from .chat import MODEL_SECONDS, PEOPLE
from .office import Office, model_takes, open_office
from .page import Page, Said
from .peer import Peer, PeerCompany, open_peer
from .question_sets import Question, read_own
from .report import Figure, percentile
from .trespass import Prey, attempts, given

__all__ = ["Asked", "measure"]

QUESTION = "What is the code word of project Heron?"
READY_SECONDS = 60

WARM = 6
"""Questions of each person before, on either side."""

TURN = 5 * PEOPLE
"""Questions until it is the other side's turn."""


@dataclass(frozen=True)
class Asked:
    """A question as it was answered.

    Parameters
    ----------
    found
        Filenames of the passages that were found, best first.
    """

    question: Question
    said: Said
    found: list[str]

    def is_found(self, among: int) -> bool:
        """Whether the right document is among the first passages."""
        return self.question.document in self.found[:among]

    @property
    def is_shown(self) -> bool:
        """Whether it is among the sources."""
        return self.question.document in self.said.names

    @property
    def holds_answer(self) -> bool:
        """Whether the words that answer it were said."""
        return _plain(self.question.answer) in _plain(self.said.text)


async def measure(platform: Platform) -> list[Figure]:
    """Measure on a whole platform."""
    own = read_own()
    async with (
        open_office(platform, "bench-beside", staff=PEOPLE) as office,
        open_office(platform, "bench-stranger") as stranger,
        open_peer(platform) as peer,
    ):
        company = await peer.company("bench-beside", staff=PEOPLE)
        other = await peer.company("bench-stranger", staff=1)
        await office.upload(own.documents)
        await peer.upload(company, own.documents)
        ours: list[Asked] = []
        theirs: list[Asked] = []
        for pages, model in ((office.pages, office.model), (company.pages, company.model)):
            await _ask_all(pages, model, own.questions[: WARM * PEOPLE])
        async with model_takes(platform, MODEL_SECONDS):
            # In turn: whatever else the machine does meanwhile, it does to both.
            for first in range(0, len(own.questions), TURN):
                some = own.questions[first : first + TURN]
                ours += await _ask_all(office.pages, office.model, some)
                theirs += await _ask_all(company.pages, company.model, some)
        ours = [replace(asked, found=await _found(office, asked.question)) for asked in ours]
        return [*_figures(ours, theirs), await _isolation(office, stranger, peer, company, other)]


async def _ask_all(pages: Sequence[Page], model: str, questions: Sequence[Question]) -> list[Asked]:
    """Share the questions among the people; each asks one after the other, beginning at another moment."""

    async def one(place: int, page: Page) -> list[Asked]:
        await asyncio.sleep(place * MODEL_SECONDS / len(pages))
        mine = questions[place :: len(pages)]
        said = [await page.ask(model, question.text) for question in mine]
        return [Asked(question, each, each.names) for question, each in zip(mine, said, strict=True)]

    return [each for many in await asyncio.gather(*map(one, range(len(pages)), pages)) for each in many]


async def _found(office: Office, question: Question) -> list[str]:
    """Return what the gateway finds: an answer shows those passages alone that it is taken from."""
    response = await office.gateway.post("/v1/search", json={"query": question.text})
    response.raise_for_status()
    return [passage["filename"] for passage in response.json()["passages"]]


def _figures(ours: Sequence[Asked], theirs: Sequence[Asked]) -> list[Figure]:
    def share(name: str, holds: Callable[[Asked], bool], note: str = "") -> Figure:
        values = [sum(map(holds, side)) / len(side) for side in (ours, theirs)]
        return Figure(name, values[0], "share", None, "higher", note, peer=values[1])

    def seconds(percent: int) -> Figure:
        values = [percentile([each.said.seconds for each in side], percent) for side in (ours, theirs)]
        note = f"in a browser, {PEOPLE} people, model {MODEL_SECONDS:g} s"
        return Figure(f"whole answer, p{percent}", values[0], "s", note=note, peer=values[1])

    def shown(side: Sequence[Asked]) -> float:
        names = [(each.question.document, name) for each in side for name in each.said.names]
        return sum(wanted == name for wanted, name in names) / len(names)

    return [
        share("hit@1", lambda each: each.is_found(1), f"{len(ours)} questions, passages found"),
        share("hit@3", lambda each: each.is_found(3), "passages found"),
        share("right document among the sources shown", lambda each: each.is_shown),
        Figure(
            "sources shown that are of the right document",
            shown(ours),
            "share",
            None,
            "higher",
            "ours are those that the answer is taken from",
            peer=shown(theirs),
        ),
        share("answer holds the words that answer", lambda each: each.holds_answer, "the stand-in's answers"),
        seconds(50),
        seconds(95),
    ]


async def _isolation(
    office: Office, stranger: Office, peer: Peer, company: PeerCompany, other: PeerCompany
) -> Figure:
    """Let somebody of the other company try everything, here and there."""
    words = f"lantern-{uuid.uuid4().hex}"
    name, text = f"heron-{words[-8:]}.txt", f"The code word of project Heron is {words}."
    ours = Prey(office.knowledge_id, await _give(office, name, text), office.model, name, words, QUESTION)
    (file_id,) = await peer.upload(company, {name: text})
    theirs = Prey(company.knowledge_id, file_id, company.model, name, words, QUESTION)
    strange = [
        len(await given(stranger.pages[0].person, ours, stranger.model)),
        len(await given(other.pages[0].person, theirs, other.model)),
    ]
    own = [
        len(await given(office.pages[0].person, ours, office.model)),
        len(await given(company.pages[0].person, theirs, company.model)),
    ]
    note = f"of {len(attempts(ours, ''))}; to its own people {own[0]} here and {own[1]} there"
    return Figure(
        "attempts of another company that gave something",
        strange[0],
        "attempts",
        0,
        "lower",
        note,
        peer=strange[1],
    )


async def _give(office: Office, name: str, text: str) -> str:
    """Put a file into the knowledge base as its people do; return its id once it is found."""
    response = await upload(office.pages[0].person, office.knowledge_id, SampleFile(name, text.encode()))
    response.raise_for_status()
    file_id: str = response.json()["id"]

    async def found() -> bool:
        searched = await office.gateway.post("/v1/search", json={"query": text})
        documents = [passage["documentId"] for passage in searched.json()["passages"]]
        return document_id_for_file(file_id) in documents

    await until(found, seconds=READY_SECONDS)
    return file_id


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
