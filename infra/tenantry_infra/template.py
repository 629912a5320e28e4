"""Reader of CloudFormation templates: parameters with constraints, and resources with conditions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import yaml

__all__ = ["Parameter", "Template"]

LIST_PREFIXES = ("List<", "CommaDelimitedList")
NO_VALUE = {"Ref": "AWS::NoValue"}


class TemplateLoader(yaml.SafeLoader):
    """YAML loader that reads ``!Sub x`` as ``{"Fn::Sub": "x"}``, as CloudFormation does."""


def _read_function(loader: TemplateLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


TemplateLoader.add_multi_constructor("!", _read_function)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a template.

    Parameters
    ----------
    name
        Name.
    definition
        Its definition in the template.
    """

    name: str
    definition: Mapping[str, Any]

    @property
    def default(self) -> str | None:
        """Return the default as CloudFormation reads it; None if a value is required."""
        default = self.definition.get("Default")
        return None if default is None else str(default)

    @property
    def is_list(self) -> bool:
        """Return True if the parameter is a list, which is written with commas."""
        return str(self.definition["Type"]).startswith(LIST_PREFIXES)

    def find_fault(self, value: str) -> str | None:
        """Return the constraint that a value breaks, as the rest of a sentence; None if it breaks none."""
        allowed = [str(each) for each in self.definition.get("AllowedValues", [])]
        if allowed and value not in allowed:
            return f"must be one of {', '.join(allowed)}"
        if self.definition["Type"] == "Number":
            return self._find_fault_of_number(value)
        pattern = self.definition.get("AllowedPattern")
        if pattern and not all(re.fullmatch(pattern, each) for each in self._split(value)):
            return f"must match {pattern}"
        shortest = int(self.definition.get("MinLength", 0))
        if len(value) < shortest:
            return f"must have at least {shortest} characters"
        return None

    def _find_fault_of_number(self, value: str) -> str | None:
        if not re.fullmatch(r"-?\d+(\.\d+)?", value):
            return "must be a number"
        least, most = self.definition.get("MinValue"), self.definition.get("MaxValue")
        if least is not None and float(value) < float(least):
            return f"must be at least {least}"
        if most is not None and float(value) > float(most):
            return f"must be at most {most}"
        return None

    def _split(self, value: str) -> list[str]:
        return value.split(",") if self.is_list else [value]


@dataclass(frozen=True)
class Template:
    """A CloudFormation template.

    Parameters
    ----------
    body
        Text of the file, as it is sent to CloudFormation.
    document
        The parsed template. Functions have their long names.
    """

    body: str
    document: Mapping[str, Any]

    @classmethod
    @cache
    def load(cls, file: Path) -> Self:
        """Return the template of a file."""
        body = file.read_text()
        return cls(body, yaml.load(body, TemplateLoader))  # noqa: S506 (a subclass of SafeLoader)

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Return the parameters by name."""
        definitions = self.document.get("Parameters", {})
        return {name: Parameter(name, definition) for name, definition in definitions.items()}

    @property
    def outputs(self) -> Mapping[str, Any]:
        """Return the outputs by name."""
        outputs: Mapping[str, Any] = self.document.get("Outputs", {})
        return outputs

    def list_outputs(self, values: Mapping[str, str]) -> list[str]:
        """Return the names of the outputs that a stack with the parameters' values has."""
        known = self._complete(values)
        return [
            name
            for name, output in self.outputs.items()
            if "Condition" not in output or self._is_true({"Condition": output["Condition"]}, known)
        ]

    def list_resources(self, values: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
        """Return the resources that the parameters' values create, by logical id."""
        known = self._complete(values)
        return {
            name: resource
            for name, resource in self.document["Resources"].items()
            if "Condition" not in resource or self._is_true({"Condition": resource["Condition"]}, known)
        }

    def resolve(self, node: Any, values: Mapping[str, str]) -> Any:
        """Return a part of the template with the values of its parameters.

        Items and properties that a condition leaves out are removed. Other functions are kept as they are.
        """
        return self._resolve(node, self._complete(values))

    def _complete(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the values with the defaults of the other parameters."""
        return {name: each.default or "" for name, each in self.parameters.items()} | dict(values)

    def _resolve(self, node: Any, values: Mapping[str, str]) -> Any:
        match node:
            case {"Ref": str(name), **rest} if not rest:
                return values.get(name, node)
            case {"Fn::If": [condition, then, otherwise], **rest} if not rest:
                chosen = self._is_true({"Condition": condition}, values)
                return self._resolve(then if chosen else otherwise, values)
            case dict():
                found = {key: self._resolve(each, values) for key, each in node.items()}
                return {key: each for key, each in found.items() if each != NO_VALUE}
            case list():
                return [each for each in (self._resolve(item, values) for item in node) if each != NO_VALUE]
            case _:
                return node

    def _is_true(self, condition: Mapping[str, Any], values: Mapping[str, str]) -> bool:
        ((function, argument),) = condition.items()
        match function:
            case "Condition":
                return self._is_true(self.document["Conditions"][argument], values)
            case "Fn::Not":
                return not self._is_true(argument[0], values)
            case "Fn::And":
                return all(self._is_true(each, values) for each in argument)
            case "Fn::Or":
                return any(self._is_true(each, values) for each in argument)
            case "Fn::Equals":
                left, right = (values[each["Ref"]] if isinstance(each, dict) else each for each in argument)
                return str(left) == str(right)
            case _:
                raise ValueError(f"conditions cannot use {function}")
