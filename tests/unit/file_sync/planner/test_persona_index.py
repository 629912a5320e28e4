"""Tests of the index of personas and of its cache."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import pytest
from file_sync.models import Link, LinkKind, PersonaRef
from file_sync.planner.persona_index import CACHE_TTL_SECONDS, PersonaIndex, PersonaIndexCache
from tenancy.model import Tenant

from tests.support.file_sync.files import make_chat_link, make_knowledge_link, make_tenant_with_workspace
from tests.support.tenants.manifests import make_tenant

if TYPE_CHECKING:
    from tenancy.registry import TenantRegistry

A, B = make_tenant_with_workspace("tenanta"), make_tenant_with_workspace("tenantb")


def test_a_knowledge_base_belongs_to_the_persona_that_the_tenant_names() -> None:
    link = make_knowledge_link("hr", tenant_id="tenantb")
    assert PersonaIndex([A, B]).resolve(link) == PersonaRef("tenantb", "hr")


def test_a_model_belongs_to_the_persona_that_its_id_names() -> None:
    link = make_chat_link("hr", tenant_id="tenantb")
    assert PersonaIndex([A, B]).resolve(link) == PersonaRef("tenantb", "hr")


@pytest.mark.parametrize(
    "link",
    [
        Link(1, LinkKind.KNOWLEDGE, "kb-of-no-tenant"),
        Link(1, LinkKind.KNOWLEDGE, "tenant-tenanta.hr"),
        Link(1, LinkKind.MODEL, "kb-tenanta-hr"),
        make_chat_link("legal"),
        make_chat_link(tenant_id="tenantz"),
        Link(1, LinkKind.MODEL, "tenant-tenanta.hr.finance"),
        Link(1, LinkKind.MODEL, "tenant-tenanta"),
        Link(1, LinkKind.MODEL, " tenant-tenanta.hr"),
    ],
    ids=lambda link: link.target,
)
def test_any_other_link_resolves_to_no_persona(link: Link) -> None:
    assert PersonaIndex([A, B]).resolve(link) is None


def test_a_knowledge_base_that_two_tenants_claim_belongs_to_neither() -> None:
    thief = make_tenant_with_workspace("tenantb")
    assert thief.status.workspace
    stolen = thief.status.workspace.knowledge[0].model_copy(update={"id": "kb-tenanta-finance"})
    workspace = thief.status.workspace.model_copy(update={"knowledge": [stolen]})
    thief = thief.model_copy(update={"status": thief.status.model_copy(update={"workspace": workspace})})
    for tenants in ([A, thief], [thief, A]):
        index = PersonaIndex(tenants)
        assert index.resolve(make_knowledge_link()) is None
        assert not index.has_knowledge_base(PersonaRef("tenanta", "finance")), "none of its files is deleted"
        assert index.has_knowledge_base(PersonaRef("tenanta", "hr"))


def test_a_persona_that_the_tenant_no_longer_has_loses_its_knowledge_base() -> None:
    assert A.spec.personas[0].id == "finance"
    spec = A.spec.model_copy(update={"personas": A.spec.personas[1:]})
    index = PersonaIndex([A.model_copy(update={"spec": spec})])
    assert index.resolve(make_knowledge_link("finance")) is None
    assert index.resolve(make_chat_link("finance")) is None
    assert not index.has_knowledge_base(PersonaRef("tenanta", "finance"))


def test_a_knowledge_base_is_known_once_the_tenants_status_names_it() -> None:
    assert not PersonaIndex([make_tenant("tenanta")]).has_knowledge_base(PersonaRef("tenanta", "finance"))
    assert PersonaIndex([A]).has_knowledge_base(PersonaRef("tenanta", "finance"))


def test_targets_belong_to_the_tenant_only() -> None:
    assert PersonaIndex([A, B]).list_targets(A) == (
        ["kb-tenanta-finance", "kb-tenanta-hr"],
        ["tenant-tenanta.finance", "tenant-tenanta.hr"],
    )


class CountingRegistry:
    """A registry that counts its lists."""

    def __init__(self) -> None:
        self.tenants: list[Tenant] = [A]
        self.lists = 0

    def list_tenants(self) -> Sequence[Tenant]:
        self.lists += 1
        return self.tenants


class TestCache:
    @pytest.fixture
    def registry(self) -> CountingRegistry:
        return CountingRegistry()

    @pytest.fixture
    def cache(self, registry: CountingRegistry) -> PersonaIndexCache:
        return PersonaIndexCache(cast("TenantRegistry", registry))

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """Return the current time, in a list of one number."""
        now = [1000.0]
        monkeypatch.setattr("file_sync.planner.persona_index.time.monotonic", lambda: now[0])
        return now

    def test_the_first_index_has_all_tenants_of_the_registry(
        self, cache: PersonaIndexCache, clock: list[float]
    ) -> None:
        assert cache.current.resolve(make_knowledge_link()) == PersonaRef("tenanta", "finance")

    def test_the_index_is_built_again_when_it_expires(
        self, cache: PersonaIndexCache, registry: CountingRegistry, clock: list[float]
    ) -> None:
        first = cache.current
        clock[0] += CACHE_TTL_SECONDS - 0.1
        assert cache.current is first
        assert registry.lists == 1
        registry.tenants = [A, B]
        clock[0] += 0.2
        assert cache.current.resolve(make_knowledge_link(tenant_id="tenantb")) == PersonaRef(
            "tenantb", "finance"
        )
        assert registry.lists == 2

    def test_a_refresh_builds_the_index_immediately(
        self, cache: PersonaIndexCache, registry: CountingRegistry, clock: list[float]
    ) -> None:
        first = cache.current
        registry.tenants = []
        assert cache.refresh().resolve(make_knowledge_link()) is None
        assert cache.current is not first
        assert registry.lists == 2
