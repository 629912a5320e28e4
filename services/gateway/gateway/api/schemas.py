"""Schemas of request and response bodies. Fields are camelCase; unknown fields of requests are refused."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel
from tenancy.identity import Principal

from ..answers.sanitizer import AnswerFormat
from ..answers.service import Answer, Question
from ..bedrock import Turn
from ..documents.catalog import CatalogEntry, DocumentState
from ..documents.deletions import HeldDeletion
from ..documents.rejection import RejectedDeletions
from ..documents.service import IngestedDocument
from ..limits.budget import BudgetState
from ..limits.usage import Counts
from ..models import Passage
from ..objects import Removal
from ..problems import DocumentUnreadable

__all__ = [
    "EXAMPLE_ANSWER",
    "EXAMPLE_CITATION",
    "MAX_QUESTION_CHARACTERS",
    "AnswerRequest",
    "AnswerResponse",
    "CitationResponse",
    "DocumentId",
    "DocumentItem",
    "DocumentList",
    "DocumentResponse",
    "HeldDeletionItem",
    "HeldDeletionList",
    "MeResponse",
    "PersonaId",
    "RejectedDeletionsResponse",
    "ReleaseResponse",
    "RemovalId",
    "SearchRequest",
    "SearchResponse",
    "TrashItem",
    "TrashList",
    "UsageResponse",
    "UsageRowResponse",
    "UsageTotals",
    "configure_examples",
]

MAX_FIELDS = 16
"""Maximum number of fields of an object that are validated; no valid object has more."""

MAX_QUESTION_CHARACTERS = 4000
"""Maximum length of a question in characters."""

QuestionText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUESTION_CHARACTERS)
]
PersonaId = Annotated[str, StringConstraints(min_length=1, max_length=40)]


DocumentId = Annotated[
    str,
    StringConstraints(pattern=r"^[^/\x00-\x1f\x7f]{1,200}$"),
    Field(description="Id from an upload or the list.", examples=["9d1f0c7e4b"]),
]


RemovalId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$"), Field(examples=["5f1c0a9b3d7e2468"])]

_DOCUMENT = {"documentId": "9d1f0c7e4b", "personaId": "finance", "filename": "budget-2026.pdf"}
EXAMPLE_CITATION = {
    "marker": 1,
    "documentId": "9d1f0c7e4b",
    "filename": "budget-2026.pdf",
    "page": 2,
    "snippet": "The approved marketing budget for 2026 is $5,000,000.",
}
_LISTED = {
    **_DOCUMENT,
    "size": 48213,
    "storedAt": "2026-11-23T12:00:00Z",
    "state": "failed",
    "chunks": 7,  # chunks of the previous content
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "problem": {
        "type": DocumentUnreadable.get_uri(),
        "title": DocumentUnreadable.title,
        "detail": DocumentUnreadable.example,
    },
}
_TRASHED = {
    **_DOCUMENT,
    "removalId": "5f1c0a9b3d7e2468",
    "size": 48213,
    "storedAt": "2026-11-23T12:00:00Z",
    "removedAt": "2026-11-29T09:14:02Z",
    "removedBy": "diana.tenantb@gmail.com",
    "restorableUntil": "2026-12-29T09:14:02Z",
}
_HELD = {
    **_DOCUMENT,
    "requestedBy": "open-webui",
    "requestedAt": "2026-11-29T09:14:02Z",
}
_COUNTS = {
    "requests": 12,
    "inputTokens": 18342,
    "outputTokens": 2210,
    "embeddingTokens": 96,
    "cachedAnswers": 1,
    "estimatedCostUsd": "0.096993",
}
EXAMPLE_ANSWER = {
    "answer": "The marketing budget for 2026 is $5,000,000 [1].",
    "format": "text",
    "citations": [EXAMPLE_CITATION],
    "grounded": True,
    "model": "us.anthropic.claude-sonnet-4-6",
    "cached": False,
    "usage": {"inputTokens": 913, "outputTokens": 18},
}


def configure_examples(*values: dict[str, Any]) -> ConfigDict:
    """Return the model configuration that adds examples to the API's description."""
    return ConfigDict(json_schema_extra={"examples": list(values)})


def _to_whole(value: Any) -> Any:
    """Return 3 for 3.0, because both are the same integer in JSON."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Request(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _limit_field_count(cls, data: Any) -> Any:
        """Keep only the first fields of an object with too many, because each unknown field costs time."""
        if isinstance(data, dict) and len(data) > MAX_FIELDS:
            return dict(islice(data.items(), MAX_FIELDS))
        return data


class _Response(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class SearchRequest(_Request):
    """A search query."""

    model_config = configure_examples(
        {"query": "What is the marketing budget?", "personaId": "finance", "topK": 3}
    )

    query: QuestionText
    persona_id: PersonaId | None = None
    top_k: Annotated[int, Field(ge=1, le=50), BeforeValidator(_to_whole)] | None = None


class PassageResponse(_Response):
    """A verbatim passage.

    ``score`` is its cosine similarity to the query, ``heading`` the path of its headings, or empty.
    """

    document_id: str
    persona_id: str
    filename: str
    page: int | None
    chunk: int
    heading: str
    text: str
    score: float


class SearchResponse(_Response):
    """Passages, best first."""

    model_config = configure_examples(
        {
            "passages": [
                {
                    **_DOCUMENT,
                    "page": 2,
                    "chunk": 4,
                    "heading": "Marketing",
                    "text": "The approved marketing budget for 2026 is $5,000,000.",
                    "score": 0.71,
                }
            ]
        }
    )

    passages: list[PassageResponse]

    @classmethod
    def from_passages(cls, passages: list[Passage]) -> Self:
        """Return the response for some passages."""
        return cls(passages=[PassageResponse.model_validate(p, from_attributes=True) for p in passages])


class TurnRequest(_Request):
    """An earlier message of the conversation."""

    role: Literal["user", "assistant"]
    text: str = Field(max_length=20_000)


class AnswerRequest(_Request):
    """A question with its context.

    ``history`` has the earlier messages, oldest first; of a long history only the latest messages are used.
    With ``stream`` the answer is sent as server-sent events while it is written. ``format`` is ``markdown``
    for clients that render Markdown. All text that is neither formatting nor a citation is then escaped, so
    that it is displayed verbatim.
    """

    model_config = configure_examples(
        {
            "question": "And in the year before?",
            "personaId": "finance",
            "history": [
                {"role": "user", "text": "What is the marketing budget for 2026?"},
                {"role": "assistant", "text": "It is $5,000,000 [1]."},
            ],
        }
    )

    question: QuestionText
    persona_id: PersonaId | None = None
    history: list[TurnRequest] = Field(default_factory=list, max_length=200)
    stream: bool = False
    format: AnswerFormat = Field(AnswerFormat.TEXT, strict=False)

    def to_question(self) -> Question:
        """Return the question."""
        turns = [Turn(turn.role, turn.text) for turn in self.history]
        return Question(self.question, self.persona_id, turns, self.format)


class CitationResponse(_Response):
    """Source of a statement. ``marker`` is the ``n`` of ``[n]`` in the answer; the snippet is verbatim."""

    marker: int
    document_id: str
    filename: str
    page: int | None
    snippet: str

    @classmethod
    def list_from_answer(cls, answer: Answer) -> list[Self]:
        """Return the citations of an answer."""
        return [cls.model_validate(citation, from_attributes=True) for citation in answer.citations]


class Usage(_Response):
    """Input and output tokens of the model."""

    input_tokens: int
    output_tokens: int


class AnswerResponse(_Response):
    """An answer; it is based on documents only if ``grounded``.

    A ``cached`` answer is an earlier answer to the same question from the same documents; it has no tokens.
    """

    model_config = configure_examples(EXAMPLE_ANSWER)

    answer: str
    format: AnswerFormat
    citations: list[CitationResponse]
    grounded: bool
    model: str
    cached: bool
    usage: Usage

    @classmethod
    def from_answer(cls, answer: Answer) -> Self:
        """Return the response for an answer."""
        return cls(
            answer=answer.text,
            format=answer.answer_format,
            citations=CitationResponse.list_from_answer(answer),
            grounded=answer.grounded,
            model=answer.model,
            cached=answer.cached,
            usage=Usage(input_tokens=answer.input_tokens, output_tokens=answer.output_tokens),
        )


class DocumentResponse(_Response):
    """A stored and indexed document. ``pages`` is null if its format has no pages."""

    model_config = configure_examples(
        {
            **_DOCUMENT,
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "chunks": 7,
            "pages": 3,
        }
    )

    document_id: str
    persona_id: str
    filename: str
    sha256: str
    chunks: int
    pages: int | None

    @classmethod
    def from_ingested(cls, ingested: IngestedDocument) -> Self:
        """Return the response for an ingested document."""
        document, extracted = ingested.document, ingested.extracted
        return cls(
            document_id=document.document_id,
            persona_id=document.persona_id,
            filename=document.filename,
            sha256=document.sha256,
            chunks=len(extracted.chunks),
            pages=extracted.pages,
        )


class DocumentProblem(_Response):
    """Reason for which a document cannot be indexed: members of the upload's problem document."""

    type: str
    title: str
    detail: str


class DocumentItem(_Response):
    """A document of the tenant.

    ``state`` describes the latest content. While it is not ``ready``, searches may still find an earlier
    content. ``chunks`` is the number of indexed chunks, and ``sha256`` the digest of their content, or null.
    ``problem`` is the reason of the state ``failed``.
    """

    model_config = configure_examples(_LISTED)

    document_id: str
    persona_id: str
    filename: str
    size: int
    stored_at: datetime
    state: DocumentState
    chunks: int
    sha256: str | None
    problem: DocumentProblem | None

    @classmethod
    def from_entry(cls, entry: CatalogEntry) -> Self:
        """Return the description of a document."""
        return cls(
            document_id=entry.stored.document_id,
            persona_id=entry.stored.persona_id,
            filename=entry.stored.filename,
            size=entry.stored.size,
            stored_at=entry.stored.version.stored_at,
            state=entry.state,
            chunks=entry.indexed.chunks if entry.indexed else 0,
            sha256=entry.indexed.document.sha256 if entry.indexed else None,
            problem=entry.failure and DocumentProblem.model_validate(entry.failure, from_attributes=True),
        )


class DocumentList(_Response):
    """A page of documents; ``nextCursor`` is null on the last page."""

    model_config = configure_examples(
        {"documents": [_LISTED], "nextCursor": "ZmluYW5jZS9idWRnZXQtMjAyNi5wZGY="}
    )

    documents: list[DocumentItem]
    next_cursor: str | None


class TrashItem(_Response):
    """A removed document. Each removal has a ``removalId``, because a document may be removed repeatedly.

    ``removedBy`` is a user's e-mail address, or ``open-webui`` if the file was deleted there.
    """

    model_config = configure_examples(_TRASHED)

    document_id: str
    removal_id: str
    persona_id: str
    filename: str
    size: int
    stored_at: datetime
    removed_at: datetime
    removed_by: str
    restorable_until: datetime

    @classmethod
    def from_removal(cls, removal: Removal, restorable_until: datetime) -> Self:
        """Return the description of a removed document."""
        return cls(
            document_id=removal.document_id,
            removal_id=removal.id,
            persona_id=removal.persona_id,
            filename=removal.filename,
            size=removal.size,
            stored_at=removal.stored_at,
            removed_at=removal.removed_at,
            removed_by=removal.removed_by,
            restorable_until=restorable_until,
        )


class TrashList(_Response):
    """A page of removed documents; ``nextCursor`` is null on the last page."""

    model_config = configure_examples(
        {"documents": [_TRASHED], "nextCursor": "LnRyYXNoL3JlbW92YWxzLzlkMWYwYw=="}
    )

    documents: list[TrashItem]
    next_cursor: str | None


class HeldDeletionItem(_Response):
    """A held deletion. ``requestedBy`` is a user's e-mail address, or ``open-webui``."""

    model_config = configure_examples(_HELD)

    document_id: str
    persona_id: str
    filename: str
    requested_by: str
    requested_at: datetime


class HeldDeletionList(_Response):
    """The held deletions, oldest first; their documents are unchanged."""

    model_config = configure_examples({"deletions": [_HELD]})

    deletions: list[HeldDeletionItem]

    @classmethod
    def from_held(cls, held: Sequence[HeldDeletion]) -> Self:
        """Return the list of held deletions."""
        return cls(deletions=_to_held_items(held))


class ReleaseResponse(_Response):
    """Time until which no deletion of the tenant is held."""

    model_config = configure_examples({"releasedUntil": "2026-11-29T10:14:02Z"})

    released_until: datetime


class RejectedDeletionsResponse(_Response):
    """Rejected deletions: the documents of ``kept`` stay, the documents of ``inTrash`` are in the trash.

    A document stays in the trash if another document has its name. ``remaining`` deletions are still held.
    """

    model_config = configure_examples({"kept": [_HELD], "inTrash": [], "remaining": 0})

    kept: list[HeldDeletionItem]
    in_trash: list[HeldDeletionItem]
    remaining: int

    @classmethod
    def from_rejected(cls, rejected: RejectedDeletions) -> Self:
        """Return the response for a rejection."""
        return cls(
            kept=_to_held_items(rejected.kept),
            in_trash=_to_held_items(rejected.in_trash),
            remaining=rejected.remaining,
        )


def _to_held_items(held: Sequence[HeldDeletion]) -> list[HeldDeletionItem]:
    return [HeldDeletionItem.model_validate(deletion, from_attributes=True) for deletion in held]


class PersonaItem(_Response):
    """A persona of the tenant."""

    id: str
    display_name: str


class MeResponse(_Response):
    """The caller's tenant. ``admin`` is true for the tenant's administrators.

    ``tenantUid`` is the uid of the Tenant; a recreated Tenant of the same name has another uid.
    """

    model_config = configure_examples(
        {
            "tenant": "tenant-tenantb",
            "tenantUid": "5f0e1c9a-3b52-4b8e-9d0f-2f6f6a7c1e11",
            "displayName": "Tenant B",
            "admin": False,
            "personas": [{"id": "finance", "displayName": "Finance"}],
        }
    )

    tenant: str
    tenant_uid: str
    display_name: str
    admin: bool
    personas: list[PersonaItem]

    @classmethod
    def from_person(cls, person: Principal) -> Self:
        """Return the response for a person."""
        spec = person.tenant.spec
        personas = [
            PersonaItem(id=persona.id, display_name=persona.display_name) for persona in spec.personas
        ]
        return cls(
            tenant=person.tenant.key,
            tenant_uid=person.tenant.metadata.uid,
            display_name=spec.display_name,
            admin=person.admin,
            personas=personas,
        )


class UsageTotals(_Response):
    """Usage counts. The cost is an estimate in US dollars, or null if the price of a model is not known."""

    requests: int
    input_tokens: int
    output_tokens: int
    embedding_tokens: int
    cached_answers: int
    estimated_cost_usd: Decimal | None

    @classmethod
    def from_counts(cls, counts: Counts, cost: Decimal | None) -> Self:
        """Return the response for some counts and their cost."""
        return cls(**vars(counts), estimated_cost_usd=_round(cost))


class UsageRowResponse(UsageTotals):
    """Usage of one model on one day for one persona; ``personaId`` is null for requests without a persona."""

    day: date
    persona_id: str | None
    model: str


class BudgetResponse(_Response):
    """Token budget of the current month. ``reserved`` tokens are held for answers in progress."""

    limit: int
    used: int
    reserved: int
    resets_at: datetime

    @classmethod
    def from_state(cls, state: BudgetState) -> Self:
        """Return the response for a budget."""
        return cls.model_validate(state, from_attributes=True)


class UsageResponse(_Response):
    """Usage of a tenant by day (UTC), persona and model."""

    model_config = configure_examples(
        {
            "from": "2026-11-01",
            "to": "2026-11-30",
            "rows": [
                {
                    **_COUNTS,
                    "day": "2026-11-23",
                    "personaId": "finance",
                    "model": "us.anthropic.claude-sonnet-4-6",
                }
            ],
            "totals": _COUNTS,
            "budget": {"limit": 5000000, "used": 20552, "reserved": 0, "resetsAt": "2026-12-01T00:00:00Z"},
        }
    )

    first: date = Field(alias="from")
    last: date = Field(alias="to")
    rows: list[UsageRowResponse]
    totals: UsageTotals
    budget: BudgetResponse


def _round(dollars: Decimal | None) -> Decimal | None:
    """Return dollars rounded to a millionth, the order of magnitude of one token's price."""
    return None if dollars is None else dollars.quantize(Decimal("0.000001"))
