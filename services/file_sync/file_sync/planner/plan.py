"""Three-way comparison of Open WebUI's files, stored objects and indexed documents of one tenant.

This module does no I/O: the caller fetches all data before. The order of the rules keeps tenants apart, so
read the rules from the top. A new document needs two facts: Keycloak places the file's owner in the persona's
tenant, and the file was given to no other tenant before. An existing document stays with its tenant.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from tenancy.model import Tenant
from tenancy.names import FILE_DOCUMENTS
from tenancy.quotas import explain_document_quota, explain_storage_quota

from ..models import File, Link, LinkKind, ListedDocument, Owner, PersonaRef, StorageUsage
from . import messages
from .checks import find_defect, may_differ, may_succeed_on_retry
from .models import ActionType, FileReport, FileState, Plan, PlanConfig, PlannedAction
from .persona_index import PersonaIndex
from .versions import TOP_FOLDER, DocumentPath, LinkedFile, ReadyDocument, VersionKey, set_predecessors

__all__ = ["build_plan"]


def build_plan(
    tenant: Tenant,
    files: Iterable[File],
    documents: Iterable[ListedDocument],
    *,
    personas: PersonaIndex,
    owners: Mapping[str, Owner],
    usage: StorageUsage,
    config: PlanConfig,
    detached: Mapping[str, File] | None = None,
) -> Plan:
    """Return the actions for a tenant, and the report of each file.

    Parameters
    ----------
    files
        All files with a link to a persona of the tenant, each with all its links.
    documents
        The tenant's documents. A document that was uploaded at the gateway is in the top folder of its
        persona. If the plan needs its unknown owner, the document is in :attr:`.models.Plan.unowned`.
    owners
        Resolved owners by subject; other subjects are in :attr:`.models.Plan.unresolved_subjects`.
    usage
        Documents and bytes that the tenant stores.
    detached
        By document id, the existing files without a link to the tenant; ``None`` before they are fetched, see
        :attr:`.models.Plan.detached`.
    """
    return _Planner(tenant, documents, personas, owners, usage, config, detached).run(files)


class _Planner:
    """Builds one plan."""

    def __init__(
        self,
        tenant: Tenant,
        documents: Iterable[ListedDocument],
        personas: PersonaIndex,
        owners: Mapping[str, Owner],
        usage: StorageUsage,
        config: PlanConfig,
        detached: Mapping[str, File] | None,
    ) -> None:
        self._tenant = tenant
        self._copies: defaultdict[str, list[ListedDocument]] = defaultdict(list)
        self._uploads: dict[DocumentPath, ListedDocument] = {}
        """Documents that were uploaded at the gateway."""
        for document in documents:
            if document.id.startswith(FILE_DOCUMENTS):
                self._copies[document.id].append(document)
            else:
                self._uploads[document.persona_id, TOP_FOLDER, document.filename] = document
        self._personas = personas
        self._owners = owners
        self._usage = usage
        self._config = config
        self._detached = detached
        self._people_by_path: defaultdict[DocumentPath, set[str]] = defaultdict(set)
        """People who have a document at a path."""
        self._plan = Plan()

    def run(self, files: Iterable[File]) -> Plan:
        # Sort by age: the oldest file gets the remaining quota, and a name that several people use.
        linked = [
            LinkedFile(file, *place, self._copies.pop(file.document_id, []))
            for file in sorted(files, key=lambda file: (file.created_at, file.id))
            if (place := self._choose_place(file))
        ]
        self._register_names(linked)
        versions: defaultdict[VersionKey, list[LinkedFile]] = defaultdict(list)
        for linked_file in linked:
            versions[linked_file.document_path, linked_file.file.person].append(linked_file)
        for key, kept in self._plan_removals().items():
            self._supersede(kept, self._list_ready(key, versions[key]))
        for key in list(versions):
            ready = self._list_ready(key, versions[key])
            self._supersede_upload(self._find_upload(key), ready)
            versions[key] = self._supersede(versions[key], ready)
        for key, same in versions.items():
            set_predecessors(same, self._find_upload(key))
        replaced = {
            file_id for file_id, report in self._plan.reports.items() if report.state is FileState.REPLACED
        }
        for linked_file in linked:
            if linked_file.file.id not in replaced:
                self._plan_version(linked_file)
        return self._plan

    def _register_names(self, linked: list[LinkedFile]) -> None:
        """Record the people who already have a document with the name of a file."""
        for linked_file in linked:
            for copy in linked_file.copies:
                self._people_by_path[copy.persona_id, linked_file.folder, copy.filename].add(
                    linked_file.file.person
                )
            if upload := self._uploads.get(linked_file.document_path):
                if upload.owner is None:
                    self._plan.unowned.add(upload)
                else:
                    self._people_by_path[linked_file.document_path].add(upload.owner)

    def _plan_version(self, linked: LinkedFile) -> None:
        """Plan the actions for a file that no newer version has replaced."""
        older = linked.predecessor
        report = self._plan_file(linked, linked.copies or ([older] if older else []))
        if report:
            self._plan.reports[linked.file.id] = report
            in_progress = report.state in (FileState.WAITING, FileState.RECEIVED, FileState.INDEXING)
            self._plan.needs_recheck |= in_progress and older is not None

    def _choose_place(self, file: File) -> tuple[str, str] | None:
        """Return the persona and folder of a file; ``None`` for a file without a link to this tenant."""
        links = [
            (link.kind is not LinkKind.KNOWLEDGE, link.since, persona.persona_id, link.folder)
            for link in file.links
            if (persona := self._personas.resolve(link))
            and persona.tenant_id == self._tenant.id
            and not self._is_older_than_tenant(link)
        ]
        if not links:
            return None
        # A knowledge base takes precedence over a chat.
        only_chats = min(links)[0]
        candidates = [place for is_chat, _, *place in sorted(links) if is_chat == only_chats]
        present = {copy.persona_id for copy in self._copies.get(file.document_id, [])}
        persona_id, folder = next(
            (candidate for candidate in candidates if candidate[0] in present), candidates[0]
        )
        return persona_id, folder

    def _is_older_than_tenant(self, link: Link) -> bool:
        """Return True if a file was sent to a persona's model before this Tenant was created.

        Every Tenant of a name has the same model ids; a knowledge base belongs to one Tenant only.
        """
        created = self._tenant.metadata.creation_timestamp
        return link.kind is LinkKind.MODEL and created is not None and link.since < int(created.timestamp())

    def _find_upload(self, key: VersionKey) -> ListedDocument | None:
        """Return the document at a path that the person uploaded at the gateway."""
        path, person = key
        upload = self._uploads.get(path)
        return upload if upload and upload.owner == person else None

    def _list_ready(self, key: VersionKey, files: list[LinkedFile]) -> list[ReadyDocument]:
        """Return the documents of a path and person that searches find."""
        ready = [(linked.file.created_at, linked.file.document_id) for linked in files if linked.is_ready]
        upload = self._find_upload(key)
        if upload and upload.state == "ready":
            ready.append((upload.stored_at, upload.id))
        return ready

    def _supersede(self, files: list[LinkedFile], ready: list[ReadyDocument]) -> list[LinkedFile]:
        """Delete the documents of files that a newer, ready version replaces; return the other files.

        The older version stays until the newer version is ready, and also if the newer version cannot be
        read. Two files of the same second are not versions of each other.
        """
        if not ready:
            return files
        newest, newest_id = max(ready)
        for linked in files:
            if linked.file.created_at < newest:
                report = FileReport(FileState.REPLACED, messages.REPLACED, linked.persona_id)
                self._plan.reports[linked.file.id] = report
                self._plan.actions += [
                    replace(_build_deletion(copy, messages.SUPERSEDED), replaced_by=newest_id)
                    for copy in linked.copies[:1]
                ]
        return [linked for linked in files if linked.file.created_at >= newest]

    def _supersede_upload(self, upload: ListedDocument | None, ready: list[ReadyDocument]) -> None:
        """Delete a document that was uploaded at the gateway if a newer, ready version replaces it."""
        if upload and ready:
            newest, newest_id = max(ready)
            if upload.stored_at < newest:
                self._plan.actions.append(
                    replace(_build_deletion(upload, messages.SUPERSEDED), replaced_by=newest_id)
                )

    def _plan_file(self, linked: LinkedFile, replaced: list[ListedDocument]) -> FileReport | None:
        """Plan the action for a file, and return its report.

        Parameters
        ----------
        replaced
            The document that the file replaces: the file's own document if it exists, else the predecessor.
        """
        file, persona_id, filename, copies = linked.file, linked.persona_id, linked.filename, linked.copies
        by_place = {(copy.persona_id, copy.filename): copy for copy in copies}
        current = by_place.pop((persona_id, filename), None)
        former = tuple(by_place)
        action = PlannedAction(ActionType.STORE, file.document_id, persona_id, filename, file, former)
        if current is None or may_differ(file, current):
            if not copies and self._find_first_tenant(file) != self._tenant.id:
                return FileReport(FileState.OTHER_TENANT)
            objection = self._find_objection(linked, replaced, is_new=current is None)
            if objection is None:
                self._people_by_path[linked.document_path].add(file.person)
                if current:
                    is_final = not (former or current.state == "received" or may_succeed_on_retry(current))
                    check = replace(action, type=ActionType.CHECK, is_final=is_final)
                    return self._add(check, FileState(current.state))
                return self._add(action, FileState.WAITING)
            if not copies or objection.state in (FileState.REFUSED, FileState.WAITING):
                return objection
            current = current or copies[0]
            action = replace(action, persona_id=current.persona_id, filename=current.filename, former=())
        elif former:
            # The index may still have the document under a former persona or name. Only an object shows that.
            return self._add(replace(action, type=ActionType.INDEX), FileState.INDEXING)
        return self._follow_document(current, action)

    def _follow_document(self, document: ListedDocument, action: PlannedAction) -> FileReport:
        """Return a file's report from its document's state; plan to index the document if necessary."""
        match document.state:
            case "ready":
                return FileReport(FileState.READY, None, document.persona_id)
            case "indexing":
                self._plan.needs_recheck = True
                return FileReport(FileState.INDEXING, None, document.persona_id)
            case "failed" if document.problem and not may_succeed_on_retry(document):
                return FileReport(FileState.FAILED, document.problem[1], document.persona_id)
            case _:
                return self._add(replace(action, type=ActionType.INDEX), FileState.RECEIVED)

    def _add(self, action: PlannedAction, state: FileState) -> FileReport:
        self._plan.actions.append(action)
        return FileReport(state, None, action.persona_id)

    def _find_first_tenant(self, file: File) -> str | None:
        """Return the id of the tenant to which the file was given first."""
        personas = (self._personas.resolve(link) for link in sorted(file.links))
        return next((persona.tenant_id for persona in personas if persona), None)

    def _find_objection(
        self, linked: LinkedFile, replaced: list[ListedDocument], *, is_new: bool
    ) -> FileReport | None:
        """Return the report of a file that must not be stored; else reserve quota and return ``None``.

        Parameters
        ----------
        is_new
            True if the file has no document of this name yet.
        """
        file, persona_id = linked.file, linked.persona_id
        owner = self._owners.get(file.subject) if file.subject else Owner()
        if owner is None:
            self._plan.unresolved_subjects.add(file.subject)
            return FileReport(FileState.WAITING, None, persona_id)
        if not owner.known:
            self._plan.needs_recheck = True
            return FileReport(FileState.WAITING, messages.OWNER_UNKNOWN, persona_id)
        if owner.tenant_id != self._tenant.id:
            return FileReport(FileState.NO_TENANT if owner.tenant_id is None else FileState.OTHER_TENANT)
        if is_new and (report := self._find_name_conflict(linked)):
            return report
        if reason := find_defect(file, self._config) or self._reserve_quota(file, replaced):
            return FileReport(FileState.REFUSED, reason, persona_id)
        return None

    def _find_name_conflict(self, linked: LinkedFile) -> FileReport | None:
        """Return the report of a file if another person's document has its name; else ``None``."""
        upload = self._uploads.get(linked.document_path)
        if upload and upload.owner is None:
            self._plan.needs_recheck = True
            return FileReport(FileState.WAITING, messages.UPLOAD_OWNER_UNKNOWN, linked.persona_id)
        if self._people_by_path[linked.document_path] - {linked.file.person}:
            return FileReport(FileState.REFUSED, messages.NAME_OF_COLLEAGUE, linked.persona_id)
        return None

    def _reserve_quota(self, file: File, replaced: list[ListedDocument]) -> str | None:
        """Reserve a file's size in the tenant's quota; if the quota is exhausted, return the reason."""
        size = file.size or 0
        more = self._usage.add(0 if replaced else 1, size - (replaced[0].size if replaced else 0))
        quota = self._tenant.spec.quota
        used = self._usage
        if more.documents > max(quota.documents, used.documents):
            return explain_document_quota(limit=quota.documents, used=used.documents)
        if more.size > max(quota.storage_bytes, used.size):
            return explain_storage_quota(limit=quota.storage_bytes, used=used.size, size=size)
        self._usage = more
        return None

    def _plan_removals(self) -> dict[VersionKey, list[LinkedFile]]:
        """Plan to delete documents without a link if that is allowed; return the files of kept documents.

        Only the owner or an administrator can delete a file in Open WebUI, so the document of a deleted file
        is deleted. If the file exists, a person removed only its link.
        """
        kept: defaultdict[VersionKey, list[LinkedFile]] = defaultdict(list)
        to_delete: list[PlannedAction] = []
        for document_id, copies in self._copies.items():
            personas = (PersonaRef(self._tenant.id, copy.persona_id) for copy in copies)
            if not all(map(self._personas.has_knowledge_base, personas)):
                continue
            if self._detached is None:
                self._plan.detached.add(document_id)
                continue
            file = self._detached.get(document_id)
            if file is None or self._may_be_removed(file):
                reason = messages.REMOVED if file else messages.FILE_GONE
                to_delete.append(_build_deletion(copies[0], reason))
                continue
            kept_file = LinkedFile(file, copies[0].persona_id, file.folder, copies)
            path = copies[0].persona_id, file.folder, copies[0].filename
            kept[path, file.person].append(kept_file)
            self._people_by_path[path].add(file.person)
            report = FileReport(FileState.KEPT, messages.KEPT, copies[0].persona_id)
            self._plan.reports[file.id] = report
        # The gateway holds a batch that is too large a share of the tenant's documents.
        self._plan.actions[:0] = [replace(action, batch=len(to_delete)) for action in to_delete]
        return kept

    def _may_be_removed(self, file: File) -> bool:
        """Return True if the person who removed the link of an existing file may do so.

        Only the owner can delete the chat in which a file was sent. Open WebUI lets everyone with write
        access remove a file from a knowledge base. The guard notes that person, whose role is checked here
        again.
        """
        if not file.knowledge or file.remover == file.subject != "":
            return True
        if not file.remover:
            return False
        remover = self._owners.get(file.remover)
        if remover is None:
            self._plan.unresolved_subjects.add(file.remover)
            return False
        if not remover.known:
            self._plan.needs_recheck = True
        return remover.known and remover.admin and remover.tenant_id == self._tenant.id


def _build_deletion(copy: ListedDocument, reason: str) -> PlannedAction:
    return PlannedAction(ActionType.DELETE, copy.id, copy.persona_id, copy.filename, reason=reason)
