"""Tests of the sample documents: they fit their Tenants, and contain no facts of the other tenant."""

from collections.abc import Iterator

import pytest
import yaml
from gateway.documents.extract import extract
from tenancy.emails import matches
from tenancy.model import Tenant
from tenantry_local.demo_users import DEMO_USERS
from tenantry_local.samples import TENANTS, Sample, list_samples

TENANTS_BY_ID = {
    tenant.id: tenant
    for tenant in (Tenant.from_object(yaml.safe_load(file.read_text())) for file in TENANTS.iterdir())
}
FIGURE = "The approved marketing budget for 2026 is $5,000,000."


def list_pages(sample: Sample) -> list[tuple[int | None, str]]:
    return [(page.number, page.text) for page in extract(sample.path.name, sample.path.read_bytes())[1]]


def iterate_samples() -> Iterator[Sample]:
    for tenant in TENANTS_BY_ID.values():
        yield from list_samples(tenant)


def test_the_demo_has_two_tenants_with_two_personas_each() -> None:
    assert set(TENANTS_BY_ID) == {"tenanta", "tenantb"}
    assert {persona.id for persona in TENANTS_BY_ID["tenantb"].spec.personas} == {"finance", "hr"}
    assert {persona.id for persona in TENANTS_BY_ID["tenanta"].spec.personas} == {"engineering", "support"}


def test_every_persona_has_documents_and_every_document_a_persona() -> None:
    for tenant in TENANTS_BY_ID.values():
        assert {sample.persona_id for sample in list_samples(tenant)} == {p.id for p in tenant.spec.personas}


def test_the_samples_include_every_format_of_the_gateway() -> None:
    assert {sample.path.suffix for sample in iterate_samples()} == {".md", ".txt", ".html", ".pdf", ".docx"}


@pytest.mark.parametrize("person", ["alice.tenanta@gmail.com", "diana.tenantb@gmail.com"])
def test_the_users_of_the_demo_belong_to_exactly_one_tenant(person: str) -> None:
    owners = [
        tenant.id
        for tenant in TENANTS_BY_ID.values()
        if any(matches(pattern, person) for pattern in tenant.spec.email_patterns)
    ]
    assert person in DEMO_USERS
    assert owners == [person.split("@", maxsplit=1)[0].split(".")[1]]


def test_each_tenant_has_an_administrator_who_can_sign_in() -> None:
    for tenant in TENANTS_BY_ID.values():
        assert tenant.spec.identity.admins[0] in DEMO_USERS


def test_the_budget_is_on_page_two_of_tenant_bs_plan() -> None:
    (plan,) = [s for s in list_samples(TENANTS_BY_ID["tenantb"]) if s.path.suffix == ".pdf"]
    assert [number for number, _ in list_pages(plan)] == [1, 2]
    assert [number for number, text in list_pages(plan) if FIGURE in text] == [2]


def test_tenant_as_documents_mention_neither_the_budget_nor_the_amount() -> None:
    for sample in list_samples(TENANTS_BY_ID["tenanta"]):
        text = " ".join(text for _, text in list_pages(sample)).casefold()
        assert "budget" not in text
        assert "5,000,000" not in text
