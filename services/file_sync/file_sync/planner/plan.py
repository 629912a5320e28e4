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

from ..models import Document, File, Kind, Link, Owner, Place, Usage
from .filenames import clean_filename
from .persona_index import Places

__all__ = ["Action", "Deed", "Plan", "Rules", "State", "Verdict", "plan"]

NOT_SYNCED = "It is in no persona's knowledge base and was not sent to a persona."
KEPT = (
    "It was taken out of the knowledge base, but not by its owner or an administrator; answers still use it. "
    "Put it back, or delete the file."
)
REPLACED = "Its owner has uploaded a newer file of this name; answers use that one."
COLLEAGUE = (
    "A colleague's document of this persona has this name. Upload it under another name, or ask its owner or "
    "an administrator to remove that one."
)

NOT_KNOWN = "A document of this persona has this name, and it cannot be seen right now whose it is."

TOP = ""
"""The top directory of a knowledge base. What was uploaded at the gateway counts as a file of it."""

GONE = "A document was deleted, since its file is gone"
TAKEN_OUT = "A document was deleted, since its owner or an administrator took its file out"
SUPERSEDED = "A document was deleted, since a newer file of its name and owner has replaced it"

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
    reason
        Why a document is deleted, for the log.
    batch
        Number of documents that are deleted for such a reason.
    replaced_by
        Id of the document that has taken the place of a deleted one; empty for none.
    """

    deed: Deed
    document_id: str
    persona_id: str
    filename: str
    file: File | None = None
    former: tuple[tuple[str, str], ...] = ()
    settled: bool = False
    reason: str = ""
    batch: int = 1
    replaced_by: str = ""


class State(StrEnum):
    """How far a file is, as its owner is told."""

    WAITING = "waiting"
    RECEIVED = "received"
    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"
    REFUSED = "refused"
    KEPT = "kept"
    REPLACED = "replaced"
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


@dataclass
class Plan:
    """What is to be done for a tenant.

    ``ask`` are subjects of whom Keycloak has to be asked first, ``detached`` documents to which no link
    leads and whose files have to be fetched first, and ``unowned`` documents of the gateway's that have the
    name of a file and whose owners have to be fetched first. ``waits`` tells that something will change by
    itself, though nothing does in Open WebUI. ``withheld`` counts the deletions that the gateway holds.
    """

    actions: list[Action] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    ask: set[str] = field(default_factory=set)
    detached: set[str] = field(default_factory=set)
    unowned: set[Document] = field(default_factory=set)
    waits: bool = False
    withheld: int = 0

    @property
    def counts(self) -> Counter[State]:
        """How many files are in which state."""
        return Counter(verdict.state for verdict in self.verdicts.values())


@dataclass
class _Given:
    """A file that a link leads to the tenant, the place where it belongs, and its document's copies."""

    file: File
    persona_id: str
    directory: str
    copies: list[Document]
    predecessor: Document | None = None
    """The document that it replaces: the newest of older versions of its name and person."""

    @property
    def filename(self) -> str:
        return clean_filename(self.file.filename)

    @property
    def name(self) -> "_Name":
        return self.persona_id, self.directory, self.filename

    @property
    def is_ready(self) -> bool:
        """Whether searches find this very content, at this place and no other."""
        at = [(copy.persona_id, copy.filename, copy.state) for copy in self.copies]
        wanted = [(self.persona_id, self.filename, "ready")]
        return at == wanted and not _may_differ(self.file, self.copies[0])


_Name = tuple[str, str, str]
"""Persona, directory of its knowledge base, and file name."""

_Version = tuple[_Name, str]
"""A name, and the person who owns the files of that name."""

_Ready = tuple[int, str]
"""Time of the upload, and id, of a document that searches find."""


def plan(
    tenant: Tenant,
    files: Iterable[File],
    documents: Iterable[Document],
    *,
    places: Places,
    owners: Mapping[str, Owner],
    usage: Usage,
    rules: Rules,
    detached: Mapping[str, File] | None = None,
) -> Plan:
    """Compare, and say what is to be done.

    Parameters
    ----------
    files
        All that have a link to a persona of the tenant, with all their links.
    documents
        The tenant's. Those that were uploaded at the gateway lie in the top directory of their persona; for
        one without an owner that is needed see :attr:`Plan.unowned`.
    owners
        By subject, those that were asked for; without one that is needed see :attr:`Plan.ask`.
    usage
        What the tenant has stored.
    detached
        By document id, the files that exist without a link to the tenant; ``None`` before they are fetched,
        see :attr:`Plan.detached`.
    """
    return _Comparison(tenant, documents, places, owners, usage, rules, detached).run(files)


class _Comparison:
    def __init__(
        self,
        tenant: Tenant,
        documents: Iterable[Document],
        places: Places,
        owners: Mapping[str, Owner],
        usage: Usage,
        rules: Rules,
        detached: Mapping[str, File] | None,
    ) -> None:
        self._tenant = tenant
        self._copies: defaultdict[str, list[Document]] = defaultdict(list)
        self._uploads: dict[_Name, Document] = {}
        """Documents that were uploaded at the gateway."""
        for document in documents:
            if document.id.startswith(FILE_DOCUMENTS):
                self._copies[document.id].append(document)
            else:
                self._uploads[document.persona_id, TOP, document.filename] = document
        self._places = places
        self._owners = owners
        self._usage = usage
        self._rules = rules
        self._detached = detached
        self._named: defaultdict[_Name, set[str]] = defaultdict(set)
        """The people who have a document of a name."""
        self._plan = Plan()

    def run(self, files: Iterable[File]) -> Plan:
        # Oldest first: who came first gets the room that is left, and the name.
        given = [
            _Given(file, *at, self._copies.pop(file.document_id, []))
            for file in sorted(files, key=lambda each: (each.created_at, each.id))
            if (at := self._persona(file))
        ]
        self._note_names(given)
        versions: defaultdict[_Version, list[_Given]] = defaultdict(list)
        for each in given:
            versions[each.name, each.file.person].append(each)
        for version, kept in self._sort_out_detached().items():
            self._supersede(kept, self._ready(version, versions[version]))
        for version in list(versions):
            ready = self._ready(version, versions[version])
            self._supersede_upload(self._upload(version), ready)
            versions[version] = self._supersede(versions[version], ready)
        for version, same in versions.items():
            _find_predecessors(same, self._upload(version))
        replaced = {
            file_id for file_id, verdict in self._plan.verdicts.items() if verdict.state is State.REPLACED
        }
        for each in given:
            if each.file.id not in replaced:
                self._judge_version(each)
        return self._plan

    def _note_names(self, given: list[_Given]) -> None:
        """Note who has documents of the names of files."""
        for each in given:
            for copy in each.copies:
                self._named[copy.persona_id, each.directory, copy.filename].add(each.file.person)
            if upload := self._uploads.get(each.name):
                if upload.owner is None:
                    self._plan.unowned.add(upload)
                else:
                    self._named[each.name].add(upload.owner)

    def _judge_version(self, given: _Given) -> None:
        """Judge a file that no newer one of its name and person has replaced."""
        older = given.predecessor
        verdict = self._judge(given, given.copies or ([older] if older else []))
        if verdict:
            self._plan.verdicts[given.file.id] = verdict
            under_way = verdict.state in (State.WAITING, State.RECEIVED, State.INDEXING)
            self._plan.waits |= under_way and older is not None

    def _persona(self, file: File) -> tuple[str, str] | None:
        """Return persona and directory of this tenant that have the file; ``None`` when none has."""
        here = [
            (link.kind is not Kind.KNOWLEDGE, link.since, place.persona_id, link.directory)
            for link in file.links
            if (place := self._places.of(link))
            and place.tenant_id == self._tenant.id
            and not self._is_of_an_earlier_tenant(link)
        ]
        if not here:
            return None
        # A knowledge base is a choice; a chat is where the file happened to be shown.
        weaker = min(here)[0]
        candidates = [at for is_weaker, _, *at in sorted(here) if is_weaker == weaker]
        present = {copy.persona_id for copy in self._copies.get(file.document_id, [])}
        persona_id, directory = next((at for at in candidates if at[0] in present), candidates[0])
        return persona_id, directory

    def _is_of_an_earlier_tenant(self, link: Link) -> bool:
        """Tell whether a file was sent to a persona's model before there was this Tenant.

        A model's id is the same in every Tenant of a name; a knowledge base is one Tenant's only.
        """
        created = self._tenant.metadata.creation_timestamp
        return link.kind is Kind.MODEL and created is not None and link.since < int(created.timestamp())

    def _upload(self, version: _Version) -> Document | None:
        """Return the document of a name that its person uploaded at the gateway."""
        name, person = version
        upload = self._uploads.get(name)
        return upload if upload and upload.owner == person else None

    def _ready(self, version: _Version, files: list[_Given]) -> list[_Ready]:
        """Return the documents of a name and person that searches find."""
        ready = [(each.file.created_at, each.file.document_id) for each in files if each.is_ready]
        upload = self._upload(version)
        if upload and upload.state == "ready":
            ready.append((upload.stored_at, upload.id))
        return ready

    def _supersede(self, files: list[_Given], ready: list[_Ready]) -> list[_Given]:
        """Delete the documents of files once a newer one of name and person can be found; return the others.

        Until then, and while the newer one cannot be read, the older one stays. Two files of one second are
        no versions of each other.
        """
        if not ready:
            return files
        newest, newest_id = max(ready)
        for each in files:
            if each.file.created_at < newest:
                self._plan.verdicts[each.file.id] = Verdict(State.REPLACED, REPLACED, each.persona_id)
                self._plan.actions += [
                    replace(_deletion(copy, SUPERSEDED), replaced_by=newest_id) for copy in each.copies[:1]
                ]
        return [each for each in files if each.file.created_at >= newest]

    def _supersede_upload(self, upload: Document | None, ready: list[_Ready]) -> None:
        """Delete what a person uploaded at the gateway once a newer file of that name can be found."""
        if upload and ready:
            newest, newest_id = max(ready)
            if upload.stored_at < newest:
                self._plan.actions.append(replace(_deletion(upload, SUPERSEDED), replaced_by=newest_id))

    def _judge(self, given: _Given, before: list[Document]) -> Verdict | None:
        """Judge a file.

        Parameters
        ----------
        before
            The document that it replaces; its own, where it has one.
        """
        file, persona_id, filename, copies = given.file, given.persona_id, given.filename, given.copies
        at = {(copy.persona_id, copy.filename): copy for copy in copies}
        here = at.pop((persona_id, filename), None)
        former = tuple(at)
        action = Action(Deed.STORE, file.document_id, persona_id, filename, file, former)
        if here is None or _may_differ(file, here):
            if not copies and self._first_given_to(file) != self._tenant.id:
                return Verdict(State.FOREIGN)
            objection = self._objection(given, before, is_new=here is None)
            if objection is None:
                self._named[given.name].add(file.person)
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

    def _objection(self, given: _Given, before: list[Document], *, is_new: bool) -> Verdict | None:
        """Say why the file's content must not be put into the tenant's bucket; take the room if it may.

        Parameters
        ----------
        is_new
            Whether it has no document of this name yet.
        """
        file, persona_id = given.file, given.persona_id
        owner = self._owners.get(file.subject) if file.subject else Owner()
        if owner is None:
            self._plan.ask.add(file.subject)
            return Verdict(State.WAITING, None, persona_id)
        if not owner.known:
            self._plan.waits = True
            return Verdict(State.WAITING, "It cannot be seen right now whose it is.", persona_id)
        if owner.tenant_id != self._tenant.id:
            return Verdict(State.NO_TENANT if owner.tenant_id is None else State.FOREIGN)
        if is_new and (verdict := self._name_objection(given)):
            return verdict
        if reason := _defect(file, self._rules) or self._no_room(file, before):
            return Verdict(State.REFUSED, reason, persona_id)
        return None

    def _name_objection(self, given: _Given) -> Verdict | None:
        """Say why the file must not become a document of its name."""
        upload = self._uploads.get(given.name)
        if upload and upload.owner is None:
            self._plan.waits = True
            return Verdict(State.WAITING, NOT_KNOWN, given.persona_id)
        if self._named[given.name] - {given.file.person}:
            return Verdict(State.REFUSED, COLLEAGUE, given.persona_id)
        return None

    def _no_room(self, file: File, before: list[Document]) -> str | None:
        size = file.size or 0
        more = self._usage.plus(0 if before else 1, size - (before[0].size if before else 0))
        quota = self._tenant.spec.quota
        for limit, now, after, unit in (
            (quota.documents, self._usage.documents, more.documents, "documents"),
            (quota.storage_bytes, self._usage.size, more.size, f"bytes; this document has {size}"),
        ):
            if after > limit and after > now:
                return (
                    f"The tenant may store {limit} and has stored {now} {unit}. "
                    "Delete documents, or ask for more."
                )
        self._usage = more
        return None

    def _sort_out_detached(self) -> dict[_Version, list[_Given]]:
        """Delete documents to which no link leads; return those that are kept.

        A file that does not exist any more was deleted by its owner or an administrator: Open WebUI lets no
        one else do that. Of one that exists only its link was removed.
        """
        kept: defaultdict[_Version, list[_Given]] = defaultdict(list)
        doomed: list[Action] = []
        for document_id, copies in self._copies.items():
            if not all(self._places.knows(Place(self._tenant.id, copy.persona_id)) for copy in copies):
                continue
            if self._detached is None:
                self._plan.detached.add(document_id)
                continue
            file = self._detached.get(document_id)
            if file is None or self._may_be_removed(file):
                doomed.append(_deletion(copies[0], TAKEN_OUT if file else GONE))
                continue
            each = _Given(file, copies[0].persona_id, file.directory, copies)
            name = copies[0].persona_id, file.directory, copies[0].filename
            kept[name, file.person].append(each)
            self._named[name].add(file.person)
            self._plan.verdicts[file.id] = Verdict(State.KEPT, KEPT, copies[0].persona_id)
        # The gateway holds a batch that is too large a part of the tenant's documents.
        self._plan.actions[:0] = [replace(each, batch=len(doomed)) for each in doomed]
        return kept

    def _may_be_removed(self, file: File) -> bool:
        """Return True if the link of a file that still exists was removed by a person who may do that.

        Only its owner can delete the chat in which it was sent. From a knowledge base all may remove it who
        may write there, as far as Open WebUI knows; its guard notes who did, and here that is checked again.
        """
        if not file.knowledge or file.remover == file.subject != "":
            return True
        if not file.remover:
            return False
        remover = self._owners.get(file.remover)
        if remover is None:
            self._plan.ask.add(file.remover)
            return False
        if not remover.known:
            self._plan.waits = True
        return remover.known and remover.admin and remover.tenant_id == self._tenant.id


def _find_predecessors(same: list[_Given], upload: Document | None) -> None:
    """Set the predecessor of each file of one name and person; they come with the oldest first.

    Parameters
    ----------
    upload
        What the person uploaded under that name at the gateway.
    """
    older: Document | None = None
    of_this_second: Document | None = None
    second = 0
    for each in same:
        if each.file.created_at > second:
            older, of_this_second, second = of_this_second or older, None, each.file.created_at
        each.predecessor = older or (upload if upload and upload.stored_at < second else None)
        if each.copies:
            of_this_second = each.copies[0]


def _deletion(copy: Document, reason: str) -> Action:
    return Action(Deed.DELETE, copy.id, copy.persona_id, copy.filename, reason=reason)


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
