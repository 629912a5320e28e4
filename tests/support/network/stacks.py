"""Resources of an environment's stacks, with the functions of their templates resolved."""

from collections.abc import Callable, Iterable, Mapping
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
    settings = Environment.load(INFRA / "environments" / f"{environment}.yaml")
    resources: dict[str, Resource] = {}
    outputs: dict[str, Any] = {"Environment": environment, "ClusterName": environment}
    for stack in (stack for stack in STACKS if stack.name in names):
        given = outputs | dict(settings.parameters.get(stack.name, {}))
        resolver = _Resolver(stack.template, given, settings.region)
        resources |= resolver.resolve_resources()
        outputs |= resolver.resolve_outputs()
    return resources


class _Resolver:
    def __init__(self, template: Template, given: Mapping[str, Any], region: str) -> None:
        self._template = template
        self._values: dict[str, Any] = {
            name: given.get(name, parameter.default or "") for name, parameter in template.parameters.items()
        }
        self._texts = {name: str(value) for name, value in self._values.items()} | {"AWS::Region": region}

    def resolve_resources(self) -> dict[str, Resource]:
        """Return the resources that exist."""
        return {
            name: Resource(each["Type"], self._resolve(each.get("Properties", {})))
            for name, each in self._template.list_resources(self._texts).items()
        }

    def resolve_outputs(self) -> dict[str, Any]:
        """Return the values of the outputs that exist."""
        return {
            name: self._resolve(output["Value"])
            for name, output in self._template.outputs.items()
            if "Condition" not in output or self._is_true(output["Condition"])
        }

    def _is_true(self, condition: str) -> bool:
        # Production code only lists resources.
        return self._template._is_true({"Condition": condition}, self._texts)

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
        if function == "Fn::If":
            condition, then, otherwise = argument
            return self._resolve(then if self._is_true(condition) else otherwise)
        if function == "Fn::Select":
            return self._resolve(argument[1])[int(argument[0])]
        simple: dict[str, Callable[[], Any]] = {
            "Ref": lambda: self._resolve_reference(argument),
            "Fn::GetAZs": lambda: ["zone-a", "zone-b"],
            "Fn::Join": lambda: argument[0].join(self._resolve(argument[1])),
            "Fn::GetAtt": lambda: ".".join(argument),
            # Names and ARNs, which no rule reads.
            "Fn::Sub": lambda: argument if isinstance(argument, str) else argument[0],
        }
        return simple[function]()

    def _resolve_reference(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _ABSENT
        parameter = self._template.parameters.get(name)
        if parameter is None:
            return name
        return str(self._values[name]).split(",") if parameter.is_list else self._values[name]
