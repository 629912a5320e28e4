"""What flows through file-sync: files of Open WebUI, documents of a tenant, and whose they are."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Self

from tenancy.names import document_id_for_file

__all__ = ["Document", "File", "Kind", "Link", "Owner", "Place", "Usage"]


class Kind(StrEnum):
    """How a file came to a persona."""

    KNOWLEDGE = "knowledge"
    """It is in the persona's knowledge base, or on its way into it."""

    MODEL = "model"
    """Its owner sent it in a chat to the persona's model."""


@dataclass(frozen=True, order=True)
class Link:
    """A file's way to a persona: what Open WebUI's database says, not yet what it means.

    Parameters
    ----------
    since
        When it was made, in seconds.
    target
        Id of the knowledge base or of the model.
    directory
        Id of the directory of the knowledge base; empty for its top, and for a model.
    """

    since: int
    kind: Kind
    target: str
    directory: str = ""


@dataclass(frozen=True)
class File:
    """A file of Open WebUI.

    Parameters
    ----------
    owner
        Id of its owner in Open WebUI.
    subject
        The owner's subject in Keycloak; empty for an account that never logged in through it.
    path
        Where Open WebUI keeps its content.
    size
        Its bytes, as Open WebUI counted them; ``None`` where it did not.
    digest
        What Open WebUI has for its sha256. The browser may have sent it, so it proves nothing.
    created_at, updated_at
        In seconds.
    knowledge, directory
        Ids of the knowledge base and the directory for which it was uploaded, or to which it was added last;
        empty for a file that was only sent in chats.
    remover
        Subject of the person who removed it from a knowledge base, as Open WebUI's guard noted; or empty.
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
    directory: str = ""
    remover: str = ""

    @property
    def person(self) -> str:
        """The person who owns it: the same one for all accounts of one subject."""
        return self.subject or self.owner

    @property
    def document_id(self) -> str:
        """The id of the document that is made of it."""
        return document_id_for_file(self.id)

    @property
    def version(self) -> str:
        """A name for its content as Open WebUI describes it: another content has another one."""
        return sha256(f"{self.path}\n{self.size}\n{self.digest}".encode()).hexdigest()


@dataclass(frozen=True)
class Place:
    """A persona of a tenant."""

    tenant_id: str
    persona_id: str


@dataclass(frozen=True)
class Document:
    """A document as the gateway lists it; ``sha256`` is of what can be found, ``None`` while nothing can.

    ``problem`` is why it failed: the type of the problem and its words. ``stored_at`` is in seconds, and
    ``owner`` the subject of the person who uploaded it at the gateway; ``None`` as long as it is unknown.
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
    """A person as Keycloak describes them; ``tenant_id`` is ``None`` for a person without a tenant.

    ``known`` is false while Keycloak cannot be asked. ``admin`` is true for an administrator of the tenant.
    """

    tenant_id: str | None = None
    known: bool = True
    admin: bool = False


@dataclass(frozen=True)
class Usage:
    """What a tenant has stored."""

    documents: int = 0
    size: int = 0

    @classmethod
    def of(cls, documents: Iterable[Document]) -> Self:
        """Count documents; one that lies at two places counts once, as at the gateway."""
        sizes = {each.id: each.size for each in documents}
        return cls(len(sizes), sum(sizes.values()))

    def plus(self, documents: int, size: int) -> "Usage":
        """Return it with something more."""
        return Usage(self.documents + documents, self.size + size)
