"""Benchmark of Tenantry against Open WebUI's own RAG, with the same documents and questions."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tenancy.names import derive_file_document_id
from tenantry_local.platform import Platform

from tests.support.documents.uploads import SampleFile, upload
from tests.support.timing.waiting import wait_until

from .baseline import Baseline, BaselineTenant, start_baseline
from .chat import MODEL_SECONDS, USERS
from .chat_client import ChatAnswer, ChatClient
from .cross_tenant_probes import ProbeTarget, list_probes, run_probes
from .question_sets import BenchQuestion, read_samples
from .report import Figure, get_percentile
from .tenant_fixture import TenantFixture, create_tenant, delay_model

__all__ = ["AnsweredQuestion", "measure"]

QUESTION = "What is the code word of project Heron?"
READY_SECONDS = 60

WARM_UP_QUESTIONS = 6
"""Warm-up questions per user, on either side."""

BATCH = 5 * USERS
"""Questions that one side answers before the other side gets the same questions."""


@dataclass(frozen=True)
class AnsweredQuestion:
    """A question with its answer.

    Parameters
    ----------
    found
        Filenames of the retrieved passages, best first.
    """

    question: BenchQuestion
    answer: ChatAnswer
    found: list[str]

    def is_found(self, among: int) -> bool:
        """Return True if the right document is among the first ``among`` passages."""
        return self.question.document in self.found[:among]

    @property
    def is_shown(self) -> bool:
        """Return True if the right document is among the displayed sources."""
        return self.question.document in self.answer.names

    @property
    def holds_answer(self) -> bool:
        """Return True if the answer contains the expected words."""
        return _normalize(self.question.answer) in _normalize(self.answer.text)


async def measure(platform: Platform) -> list[Figure]:
    """Measure on a platform with all parts."""
    own = read_samples()
    async with (
        create_tenant(platform, "bench-comparison", user_count=USERS) as tenant,
        create_tenant(platform, "bench-other") as other_tenant,
        start_baseline(platform) as baseline,
    ):
        company = await baseline.create_tenant("bench-comparison", user_count=USERS)
        other_baseline = await baseline.create_tenant("bench-other", user_count=1)
        await tenant.upload(own.documents)
        await baseline.upload(company, own.documents)
        ours: list[AnsweredQuestion] = []
        theirs: list[AnsweredQuestion] = []
        for clients, model in ((tenant.clients, tenant.model), (company.clients, company.model)):
            await _ask_all(clients, model, own.questions[: WARM_UP_QUESTIONS * USERS])
        async with delay_model(platform, MODEL_SECONDS):
            # Alternate, so that other load on the machine affects both sides.
            for first in range(0, len(own.questions), BATCH):
                batch = own.questions[first : first + BATCH]
                ours += await _ask_all(tenant.clients, tenant.model, batch)
                theirs += await _ask_all(company.clients, company.model, batch)
        ours = [
            replace(answered, found=await _list_retrieved(tenant, answered.question)) for answered in ours
        ]
        return [
            *_make_figures(ours, theirs),
            await _measure_isolation(tenant, other_tenant, baseline, company, other_baseline),
        ]


async def _ask_all(
    clients: Sequence[ChatClient], model: str, questions: Sequence[BenchQuestion]
) -> list[AnsweredQuestion]:
    """Split the questions among the users. A user asks sequentially; users start at different moments."""

    async def ask_one(number: int, client: ChatClient) -> list[AnsweredQuestion]:
        await asyncio.sleep(number * MODEL_SECONDS / len(clients))
        assigned = questions[number :: len(clients)]
        replies = [await client.ask(model, question.text) for question in assigned]
        return [
            AnsweredQuestion(question, answer, answer.names)
            for question, answer in zip(assigned, replies, strict=True)
        ]

    by_user = await asyncio.gather(*map(ask_one, range(len(clients)), clients))
    return [answered for answers in by_user for answered in answers]


async def _list_retrieved(tenant: TenantFixture, question: BenchQuestion) -> list[str]:
    """Return the filenames of all passages that the gateway retrieves; an answer shows only some of them."""
    response = await tenant.gateway.post("/v1/search", json={"query": question.text})
    response.raise_for_status()
    return [passage["filename"] for passage in response.json()["passages"]]


def _make_figures(ours: Sequence[AnsweredQuestion], theirs: Sequence[AnsweredQuestion]) -> list[Figure]:
    def make_share(name: str, holds: Callable[[AnsweredQuestion], bool], note: str = "") -> Figure:
        values = [sum(map(holds, side)) / len(side) for side in (ours, theirs)]
        return Figure(name, values[0], "share", None, "higher", note, baseline=values[1])

    def make_seconds(percent: int) -> Figure:
        values = [
            get_percentile([answered.answer.seconds for answered in side], percent) for side in (ours, theirs)
        ]
        note = f"in a browser, {USERS} users, model {MODEL_SECONDS:g} s"
        return Figure(f"whole answer, p{percent}", values[0], "s", note=note, baseline=values[1])

    def get_share_shown(side: Sequence[AnsweredQuestion]) -> float:
        names = [(answered.question.document, name) for answered in side for name in answered.answer.names]
        return sum(wanted == name for wanted, name in names) / len(names)

    return [
        make_share("hit@1", lambda each: each.is_found(1), f"{len(ours)} questions, passages retrieved"),
        make_share("hit@3", lambda each: each.is_found(3), "passages retrieved"),
        make_share("right document among the sources shown", lambda each: each.is_shown),
        Figure(
            "sources shown that are of the right document",
            get_share_shown(ours),
            "share",
            None,
            "higher",
            "Tenantry shows only cited passages",
            baseline=get_share_shown(theirs),
        ),
        make_share(
            "answer contains the expected words", lambda each: each.holds_answer, "the stand-in's answers"
        ),
        make_seconds(50),
        make_seconds(95),
    ]


async def _measure_isolation(
    tenant: TenantFixture,
    other_tenant: TenantFixture,
    baseline: Baseline,
    company: BaselineTenant,
    other_baseline: BaselineTenant,
) -> Figure:
    """Run all probes as a user of another tenant, on both sides."""
    words = f"lantern-{uuid.uuid4().hex}"
    name, text = f"heron-{words[-8:]}.txt", f"The code word of project Heron is {words}."
    ours = ProbeTarget(
        tenant.knowledge_id, await _upload_and_wait(tenant, name, text), tenant.model, name, words, QUESTION
    )
    (file_id,) = await baseline.upload(company, {name: text})
    theirs = ProbeTarget(company.knowledge_id, file_id, company.model, name, words, QUESTION)
    others = [
        len(await run_probes(other_tenant.clients[0].person, ours, other_tenant.model)),
        len(await run_probes(other_baseline.clients[0].person, theirs, other_baseline.model)),
    ]
    own = [
        len(await run_probes(tenant.clients[0].person, ours, tenant.model)),
        len(await run_probes(company.clients[0].person, theirs, company.model)),
    ]
    note = f"of {len(list_probes(ours, ''))}; to its own users {own[0]} here and {own[1]} in the baseline"
    return Figure(
        "successful probes of another tenant",
        others[0],
        "probes",
        0,
        "lower",
        note,
        baseline=others[1],
    )


async def _upload_and_wait(tenant: TenantFixture, name: str, text: str) -> str:
    """Upload a file into the knowledge base; return its id after a search has found it."""
    response = await upload(tenant.clients[0].person, tenant.knowledge_id, SampleFile(name, text.encode()))
    response.raise_for_status()
    file_id: str = response.json()["id"]

    async def is_found() -> bool:
        searched = await tenant.gateway.post("/v1/search", json={"query": text})
        documents = [passage["documentId"] for passage in searched.json()["passages"]]
        return derive_file_document_id(file_id) in documents

    await wait_until(is_found, seconds=READY_SECONDS)
    return file_id


def _normalize(text: str) -> str:
    return " ".join(text.split()).casefold()
