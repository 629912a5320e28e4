"""Charges of an environment's cluster, from eksctl's file and from the chart's values."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import yaml

from ..cluster_config import list_node_groups
from ..environment import Environment
from ..stacks import CHART, find_profile
from .rules import RULES, Charge

__all__ = ["list_cluster_charges", "read_chart_values"]

OBSERVATIONS_PER_NODE = 28
"""Million observations of Container Insights in a month for a node with some 12 pods, from memory."""

LOAD_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"


def list_cluster_charges(environment: Environment) -> Iterator[Charge]:
    """Yield the charges of the control plane, of the smallest number of nodes, and of volumes.

    The load balancer of the chart's Ingress belongs to them, unless a stack creates one.
    """
    yield Charge("eks-cluster")
    for group in list_node_groups(environment):
        yield Charge(group["instanceTypes"][0], group["minSize"])
        yield Charge("ebs-gp3", group["minSize"] * group["volumeSize"])
        yield Charge("observation", group["minSize"] * OBSERVATIONS_PER_NODE)
    values = read_chart_values(environment.name)
    qdrant = values["qdrant"]
    yield Charge("ebs-gp3", qdrant["autoscaling"]["minReplicas"] * _parse_gib(qdrant["storage"]["size"]))
    ingress = values["ingress"]
    if ingress["enabled"] and ingress["className"] == "alb" and not _has_load_balancer(environment):
        yield from RULES[LOAD_BALANCER]({"Scheme": ingress["alb"]["scheme"]})


@cache
def read_chart_values(environment: str) -> Mapping[str, Any]:
    """Return the chart's values with the profile of an environment; its defaults if there is no profile."""
    values: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    profile = find_profile(environment)
    return _merge(values, yaml.safe_load(profile.read_text())) if profile else values


def _merge(values: Any, changes: Any) -> Any:
    if not (isinstance(values, dict) and isinstance(changes, dict)):
        return changes
    return values | {key: _merge(values.get(key), change) for key, change in changes.items()}


def _parse_gib(size: str) -> float:
    factors = {"Mi": 1 / 1024, "Gi": 1, "Ti": 1024}
    return float(size[:-2]) * factors[size[-2:]]


def _has_load_balancer(environment: Environment) -> bool:
    return any(
        resource["Type"] == LOAD_BALANCER
        for stack in environment.stacks
        for resource in stack.template.document["Resources"].values()
    )
