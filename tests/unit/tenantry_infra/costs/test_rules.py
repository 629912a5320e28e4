"""Tests of the table of what costs against the templates and the prices."""

import pytest
from tenantry_infra.costs.prices import FROM_MEMORY, PriceTable
from tenantry_infra.costs.rules import RULES, USES
from tenantry_infra.stacks import STACKS, Stack
from tenantry_infra.usage import ExpectedUsage

stacks = pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)


@stacks
def test_each_type_of_resource_has_a_rule(stack: Stack) -> None:
    types = {resource["Type"] for resource in stack.template.document["Resources"].values()}
    missing = sorted(types - RULES.keys())
    assert not missing, f"add a line for each to RULES in infra/tenantry_infra/costs/rules.py: {missing}"


def test_the_table_of_rules_is_sorted() -> None:
    assert list(RULES) == sorted(RULES)


def test_each_use_belongs_to_a_stack_a_field_and_a_price() -> None:
    for use in USES:
        assert use.stack in {*(stack.name for stack in STACKS), "cluster"}, use
        assert use.field in ExpectedUsage.model_fields, use
        assert use.price in PriceTable.load().prices, use


def test_each_field_of_the_expected_use_costs_something() -> None:
    assert {use.field for use in USES} == ExpectedUsage.model_fields.keys()


def test_each_price_has_a_page_or_is_from_memory() -> None:
    for name, source in PriceTable.load().sources.items():
        assert name == FROM_MEMORY or (source.url and source.date), name
