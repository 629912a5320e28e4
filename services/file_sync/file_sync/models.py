"""Data classes of file-sync: files of Open WebUI, documents of a tenant, and their owners."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Self

from tenancy.names import derive_file_document_id

__all__ = ["File", "Link", "LinkKind", "ListedDocument", "Owner", "PersonaRef", "StorageUsage"]


class LinkKind(StrEnum):
    """Kinds of links between a file and a persona."""

    KNOWLEDGE = "knowledge"
    """The file is in the persona's knowledge base, or is being added to it."""

    MODEL = "model"
    """The file's owner sent it in a chat to the persona's model."""


@dataclass(frozen=True, order=True)
class Link:
    """A link from a file to a knowledge base or a model in Open WebUI's database.

    Parameters
    ----------
    since
        Time of the link's creation, in seconds since 1970.
    target
        Id of the knowledge base or of the model.
    folder
        Id of the folder in the knowledge base; empty for the top folder, and for a model.
    """

    since: int
    kind: LinkKind
    target: str
    folder: str = ""


@dataclass(frozen=True)
class File:
    """A file of Open WebUI.

    Parameters
    ----------
    owner
        Id of the owner in Open WebUI.
    subject
        The owner's subject in Keycloak; empty for an account that never logged in through Keycloak.
    path
        URL of the content in Open WebUI's storage.
    size
        Number of bytes that Open WebUI counted; ``None`` if Open WebUI counted none.
    digest
        Sha256 of the content in Open WebUI's database. The browser may have sent this hash, so it proves
        nothing.
    created_at, updated_at
        In seconds.
    knowledge, folder
        Ids of the knowledge base and the folder for which the file was uploaded, or to which it was added
        last. Both are empty for a file that was only sent in chats.
    remover
        Subject of the person who removed the file from a knowledge base, as the guard noted; else empty.
    """

    id: str
    owner: str
    subject: str
    filename: str
    path: str
    size: int | None
    digest: str
    created_at: int
    updated_at: int
    links: tuple[Link, ...] = ()
    knowledge: str = ""
    folder: str = ""
    remover: str = ""

    @property
    def person(self) -> str:
        """Person who owns the file; all accounts of one subject are the same person."""
        return self.subject or self.owner

    @property
    def given_at(self) -> int:
        """Time at which the file with its current content was first linked, in seconds."""
        return max(self.created_at, self.updated_at, min((link.since for link in self.links), default=0))

    @property
    def document_id(self) -> str:
        """Id of the document that is made from the file."""
        return derive_file_document_id(self.id)

    @property
    def version(self) -> str:
        """Hash of Open WebUI's description of the content; another content has another version."""
        return sha256(f"{self.path}\n{self.size}\n{self.digest}".encode()).hexdigest()


@dataclass(frozen=True)
class PersonaRef:
    """A reference to a persona of a tenant."""

    tenant_id: str
    persona_id: str


@dataclass(frozen=True)
class ListedDocument:
    """A document as the gateway lists it.

    Parameters
    ----------
    sha256
        Hash of the indexed content; ``None`` while nothing is indexed.
    problem
        Type and text of the problem that made indexing fail; ``None`` for no problem.
    stored_at
        In seconds.
    owner
        Subject of the person who uploaded the document at the gateway; ``None`` while the owner is unknown.
    """

    id: str
    persona_id: str
    filename: str
    size: int
    state: str
    sha256: str | None = None
    problem: tuple[str, str] | None = None
    stored_at: int = 0
    owner: str | None = None


@dataclass(frozen=True)
class Owner:
    """An owner of files, as Keycloak describes the person.

    Parameters
    ----------
    tenant_id
        ``None`` for a person without a tenant.
    known
        False while Keycloak does not answer.
    admin
        True for an administrator of the tenant.
    """

    tenant_id: str | None = None
    known: bool = True
    admin: bool = False


@dataclass(frozen=True)
class StorageUsage:
    """Documents and bytes that a tenant stores."""

    documents: int = 0
    size: int = 0

    @classmethod
    def from_documents(cls, documents: Iterable[ListedDocument]) -> Self:
        """Count documents; a document with two copies counts once, as at the gateway."""
        sizes = {document.id: document.size for document in documents}
        return cls(len(sizes), sum(sizes.values()))

    def add(self, documents: int, size: int) -> "StorageUsage":
        """Return the usage plus some documents and bytes."""
        return StorageUsage(self.documents + documents, self.size + size)
