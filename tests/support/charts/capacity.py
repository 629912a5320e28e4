"""Model of the nodes of an environment: what pods can request, and on which node each pod runs."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tenantry_infra.cluster_config import list_node_groups
from tenantry_infra.environment import Environment

from tests.support.charts.rendering import RELEASE, Object, Release

__all__ = [
    "KEYCLOAK",
    "NodeCapacity",
    "PodRequests",
    "list_job_pods",
    "list_nodes",
    "list_pods",
    "list_unplaced",
    "parse_cpu",
    "parse_memory",
]

SIZES = {
    "t3.large": (2000, 8, 35),
    "t3.xlarge": (4000, 16, 58),
    "t4g.medium": (2000, 4, 17),
    "t4g.large": (2000, 8, 35),
    "m7i.xlarge": (4000, 16, 58),
    "m7i.2xlarge": (8000, 32, 58),
    "r7i.large": (2000, 16, 29),
    "r7i.xlarge": (4000, 32, 58),
}
"""Instance types: thousandths of a processor, GiB of memory, and pods that VPC CNI has addresses for."""

USABLE_MEMORY = 0.95
"""Part of an instance's memory that Linux has after its start, from memory of such nodes."""

EVICTION_MIB = 100
"""Memory that the kubelet keeps free (``memory.available``)."""

DAEMONS = {
    "aws-node": (50, 0),
    "kube-proxy": (100, 0),
    "ebs-csi-node": (30, 120),
    "eks-pod-identity-agent": (0, 0),
    "cloudwatch-agent": (250, 128),
    "fluent-bit": (50, 25),
    "secrets-store-csi-driver": (70, 140),
    "secrets-store-csi-driver-provider-aws": (50, 100),
}
"""Add-ons with a pod on each node: requests in thousandths of a processor and in MiB, from memory."""

ADD_ONS = {
    "coredns": (2, 100, 70),
    "metrics-server": (2, 100, 200),
    "ebs-csi-controller": (2, 60, 240),
    "cloudwatch-operator": (1, 100, 64),
    "aws-load-balancer-controller": (2, 100, 200),
}
"""Other add-ons: number of pods, and their requests, from memory."""

CPU_RESERVES = ((1000, 0.06), (1000, 0.01), (2000, 0.005), (float("inf"), 0.0025))
"""Parts of the processors that the node's own programs keep, in EKS' AMI."""


@dataclass(frozen=True)
class PodRequests:
    """Requests of a pod.

    Parameters
    ----------
    name
        Name of its workload.
    cpu
        Thousandths of a processor.
    memory
        MiB.
    nodes
        Group of nodes on which it may run.
    """

    name: str
    cpu: float
    memory: float
    nodes: str = "general"


KEYCLOAK = PodRequests("keycloak", cpu=250, memory=1250)
"""A pod of Keycloak: its memory by Keycloak's guide for sizing, and processors for four logins a second."""

KEYCLOAK_PODS = {"small": 1}
"""Pods of Keycloak by environment, if it runs on these nodes: two, where nothing else is named."""


@dataclass
class NodeCapacity:
    """A node with the pods that were placed on it.

    Parameters
    ----------
    nodes
        Label of its group.
    zone
        Zone, or ``""`` if its group spans both zones.
    cpu, memory, pods
        What is left for pods.
    placed
        Names of the workloads of its pods.
    """

    nodes: str
    zone: str
    cpu: float
    memory: float
    pods: int
    placed: list[str] = field(default_factory=list)

    def reserve(self, pod: PodRequests) -> bool:
        """Return True if the pod fits, and reserve its requests."""
        if pod.nodes != self.nodes or pod.cpu > self.cpu or pod.memory > self.memory or not self.pods:
            return False
        self.cpu, self.memory, self.pods = self.cpu - pod.cpu, self.memory - pod.memory, self.pods - 1
        self.placed.append(pod.name)
        return True


def list_nodes(environment: Environment) -> list[NodeCapacity]:
    """Return the smallest number of nodes of an environment, with the add-ons' pods of each node placed."""
    return [
        _make_node(group["instanceTypes"][0], group["labels"]["tenantry.io/nodes"], group["name"])
        for group in list_node_groups(environment)
        for _ in range(group["minSize"])
    ]


def _make_node(instance_type: str, nodes: str, zone: str) -> NodeCapacity:
    cpu, gib, pods = SIZES[instance_type]
    memory = gib * 1024 * USABLE_MEMORY - (255 + 11 * pods) - EVICTION_MIB
    rest, reserved = float(cpu), 0.0
    for part, share in CPU_RESERVES:
        reserved += min(rest, part) * share
        rest -= min(rest, part)
    node = NodeCapacity(nodes, zone, cpu - reserved, memory, pods)
    for name, (cpu_request, memory_request) in DAEMONS.items():
        assert node.reserve(PodRequests(name, cpu_request, memory_request, nodes)), name
    return node


def list_pods(release: Release, environment: str) -> Iterator[PodRequests]:
    """Yield the pods of a release at its smallest size, and those of Keycloak and of the add-ons."""
    yield from [KEYCLOAK] * KEYCLOAK_PODS.get(environment, 2)
    for name, (count, cpu, memory) in ADD_ONS.items():
        yield from [PodRequests(name, cpu, memory)] * count
    smallest = {
        scaler["spec"]["scaleTargetRef"]["name"]: scaler["spec"]["minReplicas"]
        for scaler in release.list_objects("HorizontalPodAutoscaler")
    }
    smallest[f"{RELEASE}-n8n-worker"] = _count_initial_workers(release)
    for workload in release.list_objects("Deployment", "StatefulSet"):
        name, spec = workload["metadata"]["name"], workload["spec"]
        nodes = "qdrant" if workload["kind"] == "StatefulSet" else "general"
        yield from [_make_pod(name, spec["template"], nodes)] * smallest.get(name, spec.get("replicas", 1))


def _count_initial_workers(release: Release) -> int:
    """Return the number of workers that a job sets after the installation."""
    (count,) = re.findall(r"--replicas=(\d+)", release.text)
    return int(count)


def list_job_pods(release: Release) -> Iterator[PodRequests]:
    """Yield the pods of jobs, which run during an installation or at their times."""
    for job in release.list_objects("Job", "CronJob"):
        spec = job["spec"]["jobTemplate"]["spec"] if job["kind"] == "CronJob" else job["spec"]
        yield _make_pod(job["metadata"]["name"], spec["template"], "general")


def _make_pod(name: str, template: Object, nodes: str) -> PodRequests:
    requests = [each["resources"]["requests"] for each in template["spec"]["containers"]]
    cpu = sum(parse_cpu(str(each["cpu"])) for each in requests)
    return PodRequests(name, cpu, sum(parse_memory(each["memory"]) for each in requests), nodes)


def list_unplaced(nodes: Iterable[NodeCapacity], pods: Iterable[PodRequests]) -> list[PodRequests]:
    """Place pods, the largest first, each on the emptiest node that it fits on; return those without a node.

    Two pods of Qdrant are never in one zone.
    """
    nodes = list(nodes)
    unplaced = []
    for pod in sorted(pods, key=lambda pod: (-pod.cpu, -pod.memory)):
        taken = {node.zone for node in nodes if pod.name in node.placed and pod.nodes == "qdrant"}
        candidates = sorted(nodes, key=lambda node: -node.cpu)
        if not any(node.reserve(pod) for node in candidates if node.zone not in taken):
            unplaced.append(pod)
    return unplaced


def parse_cpu(text: str) -> float:
    """Return thousandths of a processor."""
    return float(text[:-1]) if text.endswith("m") else float(text) * 1000


def parse_memory(text: str) -> float:
    """Return MiB."""
    return float(text[:-2]) * {"Ki": 1 / 1024, "Mi": 1, "Gi": 1024}[text[-2:]]
