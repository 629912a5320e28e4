"""Tests of the reader of templates."""

from pathlib import Path

import pytest
from tenantry_infra.template import Parameter, Template

TEMPLATE = """
Parameters:
  Copies: {Type: String, Default: "no"}
  Zones: {Type: String, Default: one}
Conditions:
  Copied: !Equals [!Ref Copies, "yes"]
  Zonal: !Not [!Equals [!Ref Zones, one]]
  Both: !And [!Condition Copied, !Condition Zonal]
  Either: !Or [!Condition Copied, !Condition Zonal]
Resources:
  Always: {Type: A}
  WhenCopied: {Type: B, Condition: Copied, Properties: {Arn: !GetAtt Always.Arn.Of, Name: !Sub "x-${Zones}"}}
  WhenBoth: {Type: C, Condition: Both}
  WhenEither: {Type: D, Condition: Either}
"""


@pytest.fixture
def template(tmp_path: Path) -> Template:
    file = tmp_path / "template.yaml"
    file.write_text(TEMPLATE)
    return Template.load(file)


@pytest.mark.parametrize(
    ("values", "resources"),
    [
        ({}, {"Always"}),
        ({"Copies": "yes"}, {"Always", "WhenCopied", "WhenEither"}),
        ({"Zones": "two"}, {"Always", "WhenEither"}),
        ({"Copies": "yes", "Zones": "two"}, {"Always", "WhenCopied", "WhenBoth", "WhenEither"}),
    ],
)
def test_conditions_decide_which_resources_exist(
    template: Template, values: dict[str, str], resources: set[str]
) -> None:
    assert set(template.list_resources(values)) == resources


def test_short_functions_are_read_as_long_ones(template: Template) -> None:
    properties = template.document["Resources"]["WhenCopied"]["Properties"]
    assert properties == {"Arn": {"Fn::GetAtt": ["Always", "Arn.Of"]}, "Name": {"Fn::Sub": "x-${Zones}"}}


@pytest.mark.parametrize(
    ("definition", "value", "fault"),
    [
        ({"Type": "String"}, "anything", None),
        ({"Type": "String", "AllowedValues": ["one", "two"]}, "two", None),
        ({"Type": "String", "AllowedValues": ["one", "two"]}, "three", "must be one of one, two"),
        ({"Type": "Number", "AllowedValues": [7, 30]}, "30", None),
        ({"Type": "Number", "AllowedValues": [7, 30]}, "31", "must be one of 7, 30"),
        ({"Type": "Number"}, "seven", "must be a number"),
        ({"Type": "Number", "MinValue": 1}, "0", "must be at least 1"),
        ({"Type": "Number", "MaxValue": 9}, "10", "must be at most 9"),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "abc", None),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "abc1", "must match [a-z]+"),
        ({"Type": "CommaDelimitedList", "AllowedPattern": "[a-z]+"}, "a,b", None),
        ({"Type": "CommaDelimitedList", "AllowedPattern": "[a-z]+"}, "a,1", "must match [a-z]+"),
        ({"Type": "String", "MinLength": 3}, "ab", "must have at least 3 characters"),
    ],
)
def test_a_constraint_is_checked_before_aws_is_called(
    definition: dict[str, object], value: str, fault: str | None
) -> None:
    assert Parameter("Some", definition).find_fault(value) == fault
