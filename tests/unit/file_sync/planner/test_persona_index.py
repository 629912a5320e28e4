"""What a link means: the Tenants say, and nobody else."""

import pytest
from file_sync.models import Kind, Link, Place
from file_sync.planner.persona_index import Places

from tests.support.files_of_open_webui import sent_to, tenant_with, within
from tests.support.tenants import make_tenant

A, B = tenant_with("tenanta"), tenant_with("tenantb")


def test_a_knowledge_base_is_whose_the_tenant_says() -> None:
    assert Places([A, B]).of(within("hr", tenant_id="tenantb")) == Place("tenantb", "hr")


@pytest.mark.parametrize(
    "link",
    [
        Link(1, Kind.KNOWLEDGE, "kb-of-somebody"),
        Link(1, Kind.KNOWLEDGE, "tenant-tenanta.hr"),
        Link(1, Kind.MODEL, "kb-tenanta-hr"),
        sent_to("legal"),
        sent_to(tenant_id="tenantz"),
        Link(1, Kind.MODEL, "tenant-tenanta.hr.finance"),
        Link(1, Kind.MODEL, "tenant-tenanta"),
        Link(1, Kind.MODEL, " tenant-tenanta.hr"),
    ],
    ids=lambda link: link.target,
)
def test_anything_else_leads_nowhere(link: Link) -> None:
    assert Places([A, B]).of(link) is None


def test_a_knowledge_base_that_two_tenants_claim_is_nobodys() -> None:
    thief = tenant_with("tenantb")
    assert thief.status.workspace
    stolen = thief.status.workspace.knowledge[0].model_copy(update={"id": "kb-tenanta-finance"})
    workspace = thief.status.workspace.model_copy(update={"knowledge": [stolen]})
    thief = thief.model_copy(update={"status": thief.status.model_copy(update={"workspace": workspace})})
    for tenants in ([A, thief], [thief, A]):
        places = Places(tenants)
        assert places.of(within()) is None
        assert not places.knows(Place("tenanta", "finance")), "so nothing of it is deleted"


def test_a_persona_without_a_known_knowledge_base_is_not_judged() -> None:
    assert not Places([make_tenant("tenanta")]).knows(Place("tenanta", "finance"))
    assert Places([A]).knows(Place("tenanta", "finance"))


def test_targets_are_the_tenants_own() -> None:
    assert Places([A, B]).targets(A) == (
        ["kb-tenanta-finance", "kb-tenanta-hr"],
        ["tenant-tenanta.finance", "tenant-tenanta.hr"],
    )
