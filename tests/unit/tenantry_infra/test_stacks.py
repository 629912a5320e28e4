"""Tests of the table of stacks against the templates."""

import re

import pytest
from tenantry_infra.environment import GIVEN
from tenantry_infra.stacks import DATA_TYPES, INFRA, STACKS, Stack

LARGEST_BODY_BYTES = 51_200
"""CloudFormation's limit of a template that is not in a bucket."""

SECRET_NAMES = re.compile(r"password|secret|token|privatekey", re.IGNORECASE)
stacks = pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)


def test_each_template_is_a_stack() -> None:
    files = sorted(file.stem for file in (INFRA / "cloudformation").glob("*.yaml"))
    assert files == sorted({stack.template_file.stem for stack in STACKS})


@stacks
def test_a_stack_comes_after_those_that_it_needs(stack: Stack) -> None:
    names = [each.name for each in STACKS]
    assert all(names.index(other) < names.index(stack.name) for other in stack.needs)


@stacks
def test_a_stack_needs_only_stacks_whose_outputs_it_uses(stack: Stack) -> None:
    by_name = {each.name: each for each in STACKS}
    for other in stack.needs:
        assert by_name[other].template.outputs.keys() & stack.template.parameters.keys(), other


@stacks
def test_two_needed_stacks_have_no_output_of_the_same_name(stack: Stack) -> None:
    outputs = [output for other in STACKS if other.name in stack.needs for output in other.template.outputs]
    assert len(outputs) == len(set(outputs))


@stacks
def test_data_is_retained_and_only_in_stacks_with_data(stack: Stack) -> None:
    for name, resource in stack.template.document["Resources"].items():
        if resource["Type"] in DATA_TYPES:
            assert stack.holds_data, name
            for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                assert resource.get(policy) in ("Retain", "Snapshot"), f"{name}.{policy}"
        else:
            assert resource.get("DeletionPolicy") not in ("Retain", "Snapshot"), name


@stacks
def test_a_stack_with_data_has_some(stack: Stack) -> None:
    types = {resource["Type"] for resource in stack.template.document["Resources"].values()}
    assert bool(types & DATA_TYPES.keys()) == stack.holds_data


@stacks
def test_a_template_can_be_sent_as_text(stack: Stack) -> None:
    assert len(stack.template.body.encode()) < LARGEST_BODY_BYTES


@stacks
def test_parameters_are_described_and_used(stack: Stack) -> None:
    rest = (
        stack.template.body.partition("\nConditions:")[2] or stack.template.body.partition("\nResources:")[2]
    )
    for name, parameter in stack.template.parameters.items():
        assert parameter.definition["Description"].endswith("."), name
        assert re.search(rf"\b{name}\b", rest), name


@stacks
def test_no_secret_is_visible(stack: Stack) -> None:
    for name, parameter in stack.template.parameters.items():
        if SECRET_NAMES.search(name):
            assert parameter.definition.get("NoEcho") is True, name
    assert not [name for name in stack.template.outputs if re.search("password|token", name, re.IGNORECASE)]


@stacks
def test_derived_parameters_have_the_same_meaning_everywhere(stack: Stack) -> None:
    for name in GIVEN & stack.template.parameters.keys():
        definition = stack.template.parameters[name].definition
        assert definition["Type"] == "String"
