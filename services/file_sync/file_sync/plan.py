"""The three-way comparison: files of Open WebUI against documents of one tenant, and what is to be done.

Pure: what is asked of others was asked before. Its order of rules is what keeps tenants apart, so read it
from the top. A document is only *made* when Keycloak says that the file's owner belongs to the tenant whose
persona the file was given to, and when it was given to no other tenant before. What is there already stays
with the tenant that has it.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tenancy.model import Tenant
from tenancy.names import FILE_DOCUMENTS

from .filenames import clean_filename
from .models import Document, File, Kind, Link, Owner, Place, Usage
from .places import Places

__all__ = ["Action", "Deed", "Plan", "Rules", "State", "Verdict", "plan"]

BRAKE_DOCUMENTS = 20
"""So many deletions at once need no second thought."""

NOT_SYNCED = "It is in no persona's knowledge base and was not sent to a persona."

_FILE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OF_THE_DOCUMENT = ("document-empty", "document-too-large", "document-unreadable", "document-unsupported")
"""Problems that another try does not solve."""


class Deed(StrEnum):
    """What is done to a document."""

    STORE = "store"
    """Put the file's content into S3 and have it indexed; then remove what is at former places."""

    CHECK = "check"
    """Store it, if what is stored was made of another content."""

    INDEX = "index"
    """Have what is stored indexed; then remove what is at former places."""

    DELETE = "delete"


@dataclass(frozen=True)
class Action:
    """One deed.

    Parameters
    ----------
    former
        Further places (persona, file name) at which the document lies.
    settled
        Whether nothing is to be done once a check has found that the content is the same.
    """

    deed: Deed
    document_id: str
    persona_id: str
    filename: str
    file: File | None = None
    former: tuple[tuple[str, str], ...] = ()
    settled: bool = False


class State(StrEnum):
    """How far a file is, as its owner is told."""

    WAITING = "waiting"
    RECEIVED = "received"
    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"
    REFUSED = "refused"
    NOT_SYNCED = "not-synced"
    NO_TENANT = "no-tenant"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class Verdict:
    """How far a file is, and why it goes no further."""

    state: State
    reason: str | None = None
    persona_id: str | None = None


@dataclass(frozen=True)
class Rules:
    """What an installation allows."""

    document_bytes: int
    bucket: str
    may_delete_most: bool = False


@dataclass
class Plan:
    """What is to be done for a tenant.

    ``ask`` are subjects of whom Keycloak has to be asked first. ``waits`` tells that something will change by
    itself, though nothing does in Open WebUI. ``withheld`` are the deletions that the brake holds back.
    """

    actions: list[Action] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    ask: set[str] = field(default_factory=set)
    waits: bool = False
    withheld: int = 0

    @property
    def counts(self) -> Counter[State]:
        """How many files are in which state."""
        return Counter(verdict.state for verdict in self.verdicts.values())


def plan(
    tenant: Tenant,
    files: Iterable[File],
    documents: Iterable[Document],
    *,
    places: Places,
    owners: Mapping[str, Owner],
    usage: Usage,
    rules: Rules,
) -> Plan:
    """Compare, and say what is to be done.

    Parameters
    ----------
    files
        All that have a link to a persona of the tenant, with all their links.
    documents
        The tenant's.
    owners
        By subject, those that were asked for; without one that is needed see :attr:`Plan.ask`.
    usage
        What the tenant has stored.
    """
    return _Comparison(tenant, documents, places, owners, usage, rules).run(files)


class _Comparison:
    def __init__(
        self,
        tenant: Tenant,
        documents: Iterable[Document],
        places: Places,
        owners: Mapping[str, Owner],
        usage: Usage,
        rules: Rules,
    ) -> None:
        self._tenant = tenant
        self._copies: defaultdict[str, list[Document]] = defaultdict(list)
        for document in documents:
            if document.id.startswith(FILE_DOCUMENTS):
                self._copies[document.id].append(document)
        self._places = places
        self._owners = owners
        self._usage = usage
        self._rules = rules
        self._plan = Plan()

    def run(self, files: Iterable[File]) -> Plan:
        synced = len(self._copies)
        # Oldest first: who came first gets the room that is left.
        for file in sorted(files, key=lambda each: (each.created_at, each.id)):
            persona_id = self._persona(file)
            if persona_id is not None:
                verdict = self._judge(file, persona_id, self._copies.pop(file.document_id, []))
                if verdict:
                    self._plan.verdicts[file.id] = verdict
        self._delete(synced)
        return self._plan

    def _persona(self, file: File) -> str | None:
        """Return the persona of this tenant that has the file; ``None`` when none has."""
        here = [
            (link.kind is not Kind.KNOWLEDGE, link.since, place.persona_id)
            for link in file.links
            if (place := self._places.of(link))
            and place.tenant_id == self._tenant.id
            and not self._is_of_an_earlier_tenant(link)
        ]
        if not here:
            return None
        # A knowledge base is a choice; a chat is where the file happened to be shown.
        weaker = min(here)[0]
        candidates = [persona_id for is_weaker, _, persona_id in sorted(here) if is_weaker == weaker]
        present = {copy.persona_id for copy in self._copies.get(file.document_id, [])}
        return next((each for each in candidates if each in present), candidates[0])

    def _is_of_an_earlier_tenant(self, link: Link) -> bool:
        """Tell whether a file was sent to a persona's model before there was this Tenant.

        A model's id is the same in every Tenant of a name; a knowledge base is one Tenant's only.
        """
        created = self._tenant.metadata.creation_timestamp
        return link.kind is Kind.MODEL and created is not None and link.since < int(created.timestamp())

    def _judge(self, file: File, persona_id: str, copies: list[Document]) -> Verdict | None:
        filename = clean_filename(file.filename)
        at = {(copy.persona_id, copy.filename): copy for copy in copies}
        here = at.pop((persona_id, filename), None)
        former = tuple(at)
        action = Action(Deed.STORE, file.document_id, persona_id, filename, file, former)
        if here is None or _may_differ(file, here):
            if not copies and self._first_given_to(file) != self._tenant.id:
                return Verdict(State.FOREIGN)
            objection = self._objection(file, copies, persona_id)
            if objection is None:
                if here:
                    settled = not former and here.state != "received" and not _may_pass(here)
                    return self._do(replace(action, deed=Deed.CHECK, settled=settled), State(here.state))
                return self._do(action, State.WAITING)
            if not copies or objection.state in (State.REFUSED, State.WAITING):
                return objection
            here = here or copies[0]
            action = replace(action, persona_id=here.persona_id, filename=here.filename, former=())
        elif former:
            # The index may still show it at its former place, and what lies there is the sign of it.
            return self._do(replace(action, deed=Deed.INDEX), State.INDEXING)
        return self._follow(here, action)

    def _follow(self, here: Document, action: Action) -> Verdict:
        """Judge a file by how far its document is."""
        match here.state:
            case "ready":
                return Verdict(State.READY, None, here.persona_id)
            case "indexing":
                self._plan.waits = True
                return Verdict(State.INDEXING, None, here.persona_id)
            case "failed" if here.problem and not _may_pass(here):
                return Verdict(State.FAILED, here.problem[1], here.persona_id)
            case _:
                return self._do(replace(action, deed=Deed.INDEX), State.RECEIVED)

    def _do(self, action: Action, state: State) -> Verdict:
        self._plan.actions.append(action)
        return Verdict(state, None, action.persona_id)

    def _first_given_to(self, file: File) -> str | None:
        given = (self._places.of(link) for link in sorted(file.links))
        return next((place.tenant_id for place in given if place), None)

    def _objection(self, file: File, copies: list[Document], persona_id: str) -> Verdict | None:
        """Say why the file's content must not be put into the tenant's bucket; take the room if it may."""
        owner = self._owners.get(file.subject) if file.subject else Owner()
        if owner is None:
            self._plan.ask.add(file.subject)
            return Verdict(State.WAITING, None, persona_id)
        if not owner.known:
            self._plan.waits = True
            return Verdict(State.WAITING, "It cannot be seen right now whose it is.", persona_id)
        if owner.tenant_id != self._tenant.id:
            return Verdict(State.NO_TENANT if owner.tenant_id is None else State.FOREIGN)
        if reason := _defect(file, self._rules) or self._no_room(file, copies):
            return Verdict(State.REFUSED, reason, persona_id)
        return None

    def _no_room(self, file: File, copies: list[Document]) -> str | None:
        size = file.size or 0
        more = self._usage.plus(0 if copies else 1, size - (copies[0].size if copies else 0))
        quota = self._tenant.spec.quota
        for limit, before, after, unit in (
            (quota.documents, self._usage.documents, more.documents, "documents"),
            (quota.storage_bytes, self._usage.size, more.size, f"bytes; this document has {size}"),
        ):
            if after > limit and after > before:
                return (
                    f"The tenant may store {limit} and has stored {before} {unit}. "
                    "Delete documents, or ask for more."
                )
        self._usage = more
        return None

    def _delete(self, synced: int) -> None:
        """Delete what no file stands for any more, unless it is most of what there is."""
        doomed = [
            Action(Deed.DELETE, copies[0].id, copies[0].persona_id, copies[0].filename)
            for copies in self._copies.values()
            if all(self._places.knows(Place(self._tenant.id, copy.persona_id)) for copy in copies)
        ]
        if len(doomed) > BRAKE_DOCUMENTS and len(doomed) * 2 > synced and not self._rules.may_delete_most:
            self._plan.withheld = len(doomed)
        else:
            self._plan.actions[:0] = doomed


def _defect(file: File, rules: Rules) -> str | None:
    """Say what is wrong with a file before anybody reads it."""
    if not _FILE_ID.fullmatch(file.id):
        return "Its id is none that Open WebUI gives."
    name = file.path.rpartition("/")[2]
    if not file.path.startswith(f"s3://{rules.bucket}/") or not name.startswith(file.id):
        return "Its content is not where Open WebUI stores files."
    if file.size == 0:
        return "The file is empty."
    if file.size is not None and file.size > rules.document_bytes:
        return f"The file has {file.size} bytes; {rules.document_bytes} are the most."
    return None


def _may_differ(file: File, document: Document) -> bool:
    if file.size is not None and file.size != document.size:
        return True
    return bool(document.sha256 and _SHA256.fullmatch(file.digest) and document.sha256 != file.digest)


def _may_pass(document: Document) -> bool:
    """Tell whether a document failed for a reason that may be gone by the next try."""
    return document.state == "failed" and not (
        document.problem and document.problem[0].endswith(_OF_THE_DOCUMENT)
    )
