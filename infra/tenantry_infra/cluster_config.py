"""eksctl's file of an environment's cluster: ``eksctl/cluster.yaml`` with its variables filled in."""

import copy
import re
from collections.abc import Mapping
from typing import Any

import yaml

from .environment import Environment
from .errors import DeploymentError
from .stacks import INFRA

__all__ = ["build_cluster_config", "build_node_pool", "list_node_groups"]

FOLDER = INFRA / "eksctl"
ADMINISTRATOR_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
VARIABLE = re.compile(r"\$\{(\w+)\}")

Outputs = Mapping[str, Mapping[str, str]]


def build_cluster_config(environment: Environment, outputs: Outputs) -> dict[str, Any]:
    """Return the content of eksctl's file.

    Parameters
    ----------
    environment
        The environment.
    outputs
        Outputs by stack.

    Raises
    ------
    DeploymentError
        A stack does not exist yet, or the environment names no administrator.
    """
    if not environment.cluster.administrators:
        raise DeploymentError(
            f"The environment {environment.name} names no administrators: no one could use its cluster. "
            "Set cluster.administrators in its file to the ARNs of IAM roles."
        )
    document: dict[str, Any] = yaml.safe_load((FOLDER / "cluster.yaml").read_text())
    if not environment.cluster.karpenter_version:
        del document["karpenter"]
    if not environment.cluster.api_cidrs:
        del document["vpc"]["publicAccessCIDRs"]
    values = _list_settings(environment) | _list_outputs(outputs)
    values["AccessEntries"] = [
        _make_administrator(role)
        for role in (*environment.cluster.administrators, outputs.get("deployer", {}).get("DeployRoleArn"))
        if role
    ]
    filled: dict[str, Any] = _fill(document, values)
    return filled


def list_node_groups(environment: Environment) -> list[dict[str, Any]]:
    """Return eksctl's groups of nodes, without the zones and the security group that stacks determine."""
    groups = yaml.safe_load((FOLDER / "cluster.yaml").read_text())["managedNodeGroups"]
    unknown = {name: f"${{{name}}}" for name in ("Zones", "ZoneA", "ZoneB", "ClusterSecurityGroup")}
    filled: list[dict[str, Any]] = _fill(groups, _list_settings(environment) | unknown)
    return filled


def build_node_pool(environment: Environment) -> list[dict[str, Any]]:
    """Return the objects with which Karpenter creates nodes."""
    documents = yaml.safe_load_all((FOLDER / "karpenter.yaml").read_text())
    return [_fill(document, {"ClusterName": environment.cluster_name}) for document in documents]


def _list_settings(environment: Environment) -> dict[str, Any]:
    cluster = environment.cluster
    return {
        "ClusterName": environment.cluster_name,
        "Environment": environment.name,
        "Region": environment.region,
        "KubernetesVersion": cluster.version,
        "ServiceCidr": environment.service_cidr,
        "PublicApi": bool(cluster.api_cidrs),
        "ApiCidrs": cluster.api_cidrs,
        "ClusterLogDays": cluster.log_days,
        "KarpenterVersion": cluster.karpenter_version,
        "WithOidc": bool(cluster.karpenter_version),
        "GeneralInstanceTypes": cluster.general_nodes.instance_types,
        "GeneralMinSize": cluster.general_nodes.min_size,
        "GeneralMaxSize": cluster.general_nodes.max_size,
        "QdrantInstanceTypes": cluster.qdrant_nodes.instance_types,
        "QdrantMinSize": cluster.qdrant_nodes.min_size,
        "QdrantMaxSize": cluster.qdrant_nodes.max_size,
        "Namespace": environment.namespace,
        "Release": environment.release,
    }


def _list_outputs(outputs: Outputs) -> dict[str, Any]:
    """Return the outputs of all stacks, and the subnets and zones in eksctl's form."""
    values: dict[str, Any] = {name: value for stack in outputs.values() for name, value in stack.items()}
    if "Zones" not in values:
        return values
    zones = values["Zones"].split(",")
    for kind in ("AppSubnets", "PublicSubnets"):
        values[kind] = {
            zone: {"id": subnet} for zone, subnet in zip(zones, values[kind].split(","), strict=True)
        }
    return values | {"Zones": zones, "ZoneA": zones[0], "ZoneB": zones[1]}


def _make_administrator(role: str) -> dict[str, Any]:
    policy = {"policyARN": ADMINISTRATOR_POLICY, "accessScope": {"type": "cluster"}}
    return {"principalARN": role, "accessPolicies": [policy]}


def _fill(node: Any, values: Mapping[str, Any]) -> Any:
    """Return a node with its variables filled in. A text of only one variable becomes its value."""
    match node:
        case dict():
            return {_fill(key, values): _fill(value, values) for key, value in node.items()}
        case list():
            return [_fill(each, values) for each in node]
        case str():
            if found := VARIABLE.fullmatch(node):
                return _get_value(found, values)
            return VARIABLE.sub(lambda found: str(_get_value(found, values)), node)
        case _:
            return node


def _get_value(found: re.Match[str], values: Mapping[str, Any]) -> Any:
    if found[1] not in values:
        raise DeploymentError(
            f"The stacks have no output {found[1]} yet, which the cluster needs. Run `make aws-up` first."
        )
    # A copy, because YAML would write a shared list as an alias.
    return copy.deepcopy(values[found[1]])
