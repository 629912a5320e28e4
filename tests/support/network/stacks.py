"""Resources of an environment's stacks, with the functions of their templates resolved."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tenantry_infra.environment import Environment
from tenantry_infra.stacks import INFRA, STACKS
from tenantry_infra.template import Template

__all__ = ["Resource", "resolve_stacks"]

_ABSENT = object()
"""Value of a property that the template removes (AWS::NoValue)."""


@dataclass(frozen=True)
class Resource:
    """A resource of a stack. Its properties name other resources by their logical ids."""

    kind: str
    properties: Mapping[str, Any]


def resolve_stacks(environment: str, names: Iterable[str]) -> dict[str, Resource]:
    """Return the resources of stacks by logical id; a stack's outputs are parameters of later stacks."""
    parameters = Environment.load(INFRA / "environments" / f"{environment}.yaml").parameters
    resources: dict[str, Resource] = {}
    outputs: dict[str, Any] = {"Environment": environment, "ClusterName": environment}
    for stack in (stack for stack in STACKS if stack.name in names):
        resolver = _Resolver(stack.template, outputs | dict(parameters.get(stack.name, {})))
        resources |= resolver.resolve_resources()
        outputs |= resolver.resolve_outputs()
    return resources


class _Resolver:
    def __init__(self, template: Template, given: Mapping[str, Any]) -> None:
        self._template = template
        self._values: dict[str, Any] = {
            name: given.get(name, parameter.default or "") for name, parameter in template.parameters.items()
        }

    def resolve_resources(self) -> dict[str, Resource]:
        """Return the resources that exist."""
        texts = {name: str(value) for name, value in self._values.items()}
        return {
            name: Resource(each["Type"], self._resolve(each.get("Properties", {})))
            for name, each in self._template.list_resources(texts).items()
        }

    def resolve_outputs(self) -> dict[str, Any]:
        """Return the values of the outputs that exist."""
        return {
            name: self._resolve(output["Value"])
            for name, output in self._template.outputs.items()
            if "Condition" not in output or self._is_true(output["Condition"])
        }

    def _is_true(self, condition: str) -> bool:
        texts = {name: str(value) for name, value in self._values.items()}
        return self._template._is_true({"Condition": condition}, texts)  # noqa: SLF001 (production resolves none)

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self._resolve, value) if item is not _ABSENT]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, argument),) = value.items()
            if function == "Ref" or function.startswith("Fn::"):
                return self._call(function, argument)
        resolved = {name: self._resolve(item) for name, item in value.items()}
        return {name: item for name, item in resolved.items() if item is not _ABSENT}

    def _call(self, function: str, argument: Any) -> Any:
        match function:
            case "Ref":
                return self._refer(argument)
            case "Fn::If":
                condition, then, otherwise = argument
                return self._resolve(then if self._is_true(condition) else otherwise)
            case "Fn::Select":
                return self._resolve(argument[1])[int(argument[0])]
            case "Fn::GetAZs":
                return ["zone-a", "zone-b"]
            case "Fn::Join":
                return argument[0].join(self._resolve(argument[1]))
            case "Fn::GetAtt":
                return ".".join(argument)
            case "Fn::Sub":
                return argument  # names and ARNs, which no rule reads
            case _:
                raise ValueError(f"this reader does not know {function}")

    def _refer(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _ABSENT
        parameter = self._template.parameters.get(name)
        if parameter is None:
            return name
        return str(self._values[name]).split(",") if parameter.is_list else self._values[name]
