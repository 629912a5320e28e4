"""Values of the chart from the outputs of an environment's stacks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from .environment import Environment

__all__ = ["IMAGES", "build_image_values", "build_values", "list_missing"]


def _split(value: str) -> list[str]:
    return value.split(",") if value else []


@dataclass(frozen=True)
class ChartValue:
    """A value of the chart that an output determines.

    Parameters
    ----------
    path
        Keys of the value.
    stack
        Stack of the output.
    output
        The output.
    convert
        Converts the output's text.
    """

    path: str
    stack: str
    output: str
    convert: Callable[[str], Any] = str


VALUES = (
    ChartValue("global.aws.documentsBucket", "storage", "DocumentsBucket"),
    ChartValue("global.aws.filesBucket", "storage", "FilesBucket"),
    ChartValue("global.aws.tenantRoleArn", "identity", "TenantRoleArn"),
    ChartValue("gateway.modelRoleArn", "identity", "ModelsRoleArn"),
    ChartValue("n8n.postgres.host", "data", "DatabaseHost"),
    ChartValue("n8n.redis.host", "data", "CacheHost"),
    ChartValue("global.network.loadBalancer.cidrs", "network", "PublicCidrs", _split),
    ChartValue("global.network.postgres.cidrs", "network", "DataCidrs", _split),
    ChartValue("global.network.redis.cidrs", "network", "DataCidrs", _split),
    ChartValue("global.network.kubernetes.cidrs", "network", "AppCidrs", _split),
    ChartValue("ingress.alb.prefixLists", "network", "LoadBalancerPrefixList", _split),
    ChartValue("targetGroupBinding.targetGroupArn", "edge", "TargetGroupArn"),
    ChartValue("operator.image.repository", "registry", "OperatorRepository"),
    ChartValue("gateway.image.repository", "registry", "GatewayRepository"),
    ChartValue("file-sync.image.repository", "registry", "FileSyncRepository"),
    ChartValue("n8n.install.image.repository", "registry", "JobsRepository"),
    ChartValue("open-webui.install.image.repository", "registry", "JobsRepository"),
    ChartValue("qdrant.snapshots.image.repository", "registry", "JobsRepository"),
    ChartValue("smokeTest.image.repository", "registry", "JobsRepository"),
    ChartValue("databases.image.repository", "registry", "JobsRepository"),
)
"""Values that outputs determine."""

IMAGES = {
    "operator": "OperatorRepository",
    "gateway": "GatewayRepository",
    "file-sync": "FileSyncRepository",
    "jobs": "JobsRepository",
}
"""Images, and the outputs with their repositories."""

CLUSTER_VALUES: dict[str, Any] = {
    "global.aws.cloudWatchMetrics": True,
    "qdrant.nodeSelector": {"tenantry.io/nodes": "qdrant"},
    "qdrant.tolerations": [{"key": "tenantry.io/nodes", "value": "qdrant", "effect": "NoSchedule"}],
    "qdrant.storage.class": "gp3",
}
"""Values that the files in ``eksctl`` determine: groups of nodes, StorageClass, and the way of metrics."""


def build_values(environment: Environment, outputs: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return the chart's values that the cluster and the outputs of the existing stacks determine.

    Parameters
    ----------
    environment
        The environment.
    outputs
        Outputs by stack.
    """
    values: dict[str, Any] = {}
    _set(values, "global.aws.region", environment.region)
    # Kubernetes gives the first address of the Services to its own API.
    services = ip_network(environment.service_cidr)
    api = f"{services[1]}/{services.max_prefixlen}"
    _set(values, "global.network.kubernetes.serviceCidrs", [api])
    for path, given in CLUSTER_VALUES.items():
        _set(values, path, given)
    for value in VALUES:
        if value.output in outputs.get(value.stack, {}):
            _set(values, value.path, value.convert(outputs[value.stack][value.output]))
    if environment.edge:
        _set(values, "global.openWebui.url", f"https://{environment.edge.host}")
        # The load balancer of the stacks serves the host, and not one that the cluster creates.
        _set(values, "ingress.enabled", False)
        _set(values, "targetGroupBinding.enabled", True)
    return values


def build_image_values(images: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Return the chart's values that pin each image.

    Parameters
    ----------
    images
        Repository and digest by image.
    """
    values: dict[str, Any] = {}
    for name, (repository, digest) in images.items():
        for value in VALUES:
            if value.output == IMAGES[name]:
                _set(values, value.path, repository)
                _set(values, f"{value.path.rpartition('.')[0]}.digest", digest)
    return values


def list_missing(environment: Environment, outputs: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the paths of the values whose stack belongs to the environment, but does not exist yet."""
    stacks = {stack.name for stack in environment.stacks}
    return [
        value.path
        for value in VALUES
        if value.stack in stacks and value.output not in outputs.get(value.stack, {})
    ]


def _set(values: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
    values[last] = value
