"""What a link means: the Tenants say, and nobody else."""

import pytest
from file_sync.models import Link, LinkKind, PersonaRef
from file_sync.planner.persona_index import PersonaIndex

from tests.support.open_webui_files import chat_link, knowledge_link, tenant_with_workspace
from tests.support.tenants import make_tenant

A, B = tenant_with_workspace("tenanta"), tenant_with_workspace("tenantb")


def test_a_knowledge_base_is_whose_the_tenant_says() -> None:
    assert PersonaIndex([A, B]).resolve(knowledge_link("hr", tenant_id="tenantb")) == PersonaRef(
        "tenantb", "hr"
    )


@pytest.mark.parametrize(
    "link",
    [
        Link(1, LinkKind.KNOWLEDGE, "kb-of-somebody"),
        Link(1, LinkKind.KNOWLEDGE, "tenant-tenanta.hr"),
        Link(1, LinkKind.MODEL, "kb-tenanta-hr"),
        chat_link("legal"),
        chat_link(tenant_id="tenantz"),
        Link(1, LinkKind.MODEL, "tenant-tenanta.hr.finance"),
        Link(1, LinkKind.MODEL, "tenant-tenanta"),
        Link(1, LinkKind.MODEL, " tenant-tenanta.hr"),
    ],
    ids=lambda link: link.target,
)
def test_anything_else_leads_nowhere(link: Link) -> None:
    assert PersonaIndex([A, B]).resolve(link) is None


def test_a_knowledge_base_that_two_tenants_claim_is_nobodys() -> None:
    thief = tenant_with_workspace("tenantb")
    assert thief.status.workspace
    stolen = thief.status.workspace.knowledge[0].model_copy(update={"id": "kb-tenanta-finance"})
    workspace = thief.status.workspace.model_copy(update={"knowledge": [stolen]})
    thief = thief.model_copy(update={"status": thief.status.model_copy(update={"workspace": workspace})})
    for tenants in ([A, thief], [thief, A]):
        index = PersonaIndex(tenants)
        assert index.resolve(knowledge_link()) is None
        assert not index.has_knowledge_base(PersonaRef("tenanta", "finance")), "so nothing of it is deleted"


def test_a_persona_without_a_known_knowledge_base_is_not_judged() -> None:
    assert not PersonaIndex([make_tenant("tenanta")]).has_knowledge_base(PersonaRef("tenanta", "finance"))
    assert PersonaIndex([A]).has_knowledge_base(PersonaRef("tenanta", "finance"))


def test_targets_are_the_tenants_own() -> None:
    assert PersonaIndex([A, B]).list_targets(A) == (
        ["kb-tenanta-finance", "kb-tenanta-hr"],
        ["tenant-tenanta.finance", "tenant-tenanta.hr"],
    )
