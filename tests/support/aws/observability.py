"""The stack of alarms and of the dashboard, as CloudFormation reads it with the values of a release."""

import json
import re
from functools import cache
from typing import Any

from tenantry_infra.stacks import STACKS

from .alarms import QUERY, list_metrics

__all__ = ["DIMENSIONS", "MetricName", "list_alarms", "list_named_metrics", "list_panels"]

DIMENSIONS = {"Namespace": "tenantry", "Release": "tenantry"}
"""Dimensions of a release's metrics."""

VALUES = {
    "Environment": "prod",
    "ClusterName": "tenantry-prod",
    "DatabaseId": "tenantry-prod",
    "CacheId": "tenantry-prod",
    "DocsUrl": "https://docs.example.com",
    "AWS::Region": "us-east-1",
    **DIMENSIONS,
}

MetricName = tuple[str, str, tuple[str, ...]]
"""Namespace, name, and sorted names of the dimensions."""


def list_alarms() -> dict[str, dict[str, Any]]:
    """Return the properties of the alarms with one metric or a formula, by logical id."""
    resources = _load_resources().items()
    return {
        name: _fill(resource["Properties"])
        for name, resource in resources
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }


def list_panels() -> dict[str, dict[str, Any]]:
    """Return the properties of the dashboard's panels, by title."""
    body = json.loads(_fill(_load_resources()["Dashboard"]["Properties"]["DashboardBody"]))
    return {widget["properties"]["title"]: widget["properties"] for widget in body["widgets"]}


def list_named_metrics() -> set[MetricName]:
    """Return all metrics that an alarm or a panel names."""
    found = {metric for alarm in list_alarms().values() for metric in list_metrics(alarm)}
    for panel in list_panels().values():
        for metric in panel["metrics"]:
            found.add(_read_panel_metric(metric))
    return found


def _read_panel_metric(metric: list[Any]) -> MetricName:
    first, *_ = metric
    if isinstance(first, dict):
        query = QUERY.fullmatch(first["expression"])
        assert query, first["expression"]
        namespace, *dimensions = (text.strip(' "') for text in query["schema"].split(","))
        return namespace, query["metric"], tuple(sorted(dimensions))
    namespace, name, *dimensions = [each for each in metric if isinstance(each, str)]
    return namespace, name, tuple(sorted(dimensions[::2]))


@cache
def _load_resources() -> dict[str, Any]:
    (stack,) = (stack for stack in STACKS if stack.name == "observability")
    resources: dict[str, Any] = stack.template.document["Resources"]
    return resources


def _fill(node: Any) -> Any:
    match node:
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([\w:]+)\}", lambda found: VALUES.get(found[1], found[1]), text)
        case {"Ref": str(name)}:
            return VALUES.get(name, name)
        case dict():
            return {key: _fill(value) for key, value in node.items()}
        case list():
            return [_fill(each) for each in node]
        case _:
            return node
