"""Values of the chart from the outputs of an environment's stacks."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import yaml

from .environment import Environment
from .stacks import CHART, find_profile

__all__ = ["EXAMPLE", "IMAGES", "build_image_values", "build_values", "list_missing", "list_unset"]

EXAMPLE = re.compile(r"example|123456789012|\b(192\.0\.2|198\.51\.100|203\.0\.113)\.")
"""Pattern of the hosts, accounts and addresses that are only examples in the chart's profiles."""

NODE_LOCAL_DNS = "169.254.20.10/32"


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
    needs
        Output of the stack ``data`` without which the value is not the environment's; empty for none.
    """

    path: str
    stack: str
    output: str
    convert: Callable[[str], Any] = str
    needs: str = ""

    def is_given_by(self, environment: Environment) -> bool:
        """Return True if the stacks of an environment determine the value, once they exist."""
        outputs = {
            stack.name: stack.template.list_outputs(environment.get_parameters(stack))
            for stack in environment.stacks
        }
        return self.output in outputs.get(self.stack, []) and (
            not self.needs or self.needs in outputs["data"]
        )


VALUES = (
    ChartValue("global.aws.documentsBucket", "storage", "DocumentsBucket"),
    ChartValue("global.aws.filesBucket", "storage", "FilesBucket"),
    ChartValue("global.aws.tenantRoleArn", "identity", "TenantRoleArn"),
    ChartValue("gateway.modelRoleArn", "identity", "ModelsRoleArn"),
    ChartValue("n8n.postgres.host", "data", "DatabaseHost"),
    ChartValue("n8n.redis.host", "data", "CacheHost"),
    ChartValue("global.network.loadBalancer.cidrs", "network", "PublicCidrs", _split),
    ChartValue("global.network.postgres.cidrs", "network", "DataCidrs", _split),
    ChartValue("global.network.redis.cidrs", "network", "DataCidrs", _split, needs="CacheHost"),
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
    # Kubernetes gives the first address of the Services to its own API, and EKS the tenth to DNS.
    services = ip_network(environment.service_cidr)
    api = f"{services[1]}/{services.max_prefixlen}"
    _set(values, "global.network.kubernetes.serviceCidrs", [api])
    _set(values, "global.network.dns.cidrs", [f"{services[10]}/{services.max_prefixlen}", NODE_LOCAL_DNS])
    for path, given in CLUSTER_VALUES.items():
        _set(values, path, given)
    for value in VALUES:
        if value.output in outputs.get(value.stack, {}) and value.is_given_by(environment):
            _set(values, value.path, value.convert(outputs[value.stack][value.output]))
    if environment.edge:
        _set(values, "global.openWebui.url", f"https://{environment.edge.host}")
        # The load balancer of the stacks serves the host, and not one that the cluster creates.
        _set(values, "ingress.enabled", False)
        _set(values, "ingress.alb.webAclArn", "")
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
    return [
        value.path
        for value in VALUES
        if value.is_given_by(environment) and value.output not in outputs.get(value.stack, {})
    ]


def list_unset(environment: Environment, values: Mapping[str, Any]) -> list[str]:
    """Return the paths of the values that a person must set, because no stack determines them.

    These are examples in the environment's profile of the chart, or in any profile if it has none.

    Parameters
    ----------
    environment
        The environment.
    values
        The values from its stacks.
    """
    profile = find_profile(environment.name)
    files = [profile] if profile else sorted(CHART.glob("values-eks-*.yaml"))
    examples = {
        path
        for file in files
        for path, text in _list_leaves(yaml.safe_load(file.read_text()))
        if EXAMPLE.search(text)
    }
    stacks = {stack.name for stack in environment.stacks}
    given = {value.path for value in VALUES if value.is_given_by(environment)}
    absent = {value.path for value in VALUES if value.stack in stacks} - given
    written = {path for path, _ in _list_leaves(values)}
    unset = (examples | absent) - given - written
    return sorted(path for path in unset if not (environment.edge and path.startswith("ingress.")))


def _list_leaves(values: Mapping[str, Any], parent: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each value that is no map."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _list_leaves(value, f"{parent}{key}.")
        else:
            yield f"{parent}{key}", str(value)


def _set(values: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
    values[last] = value
