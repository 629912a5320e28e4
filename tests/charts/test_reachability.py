"""Tests of all connections on AWS: routes, security groups and network policies together allow one table.

The templates of the stacks give routes and security groups, and the rendered chart gives the policies. A
connection needs all of them. The table is that of the AWS architecture ("Network Architecture").
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from ipaddress import ip_network

import pytest

from tests.support.charts.cluster_objects import AddressedRelease, assign_addresses, make_pod
from tests.support.charts.rendering import RELEASE, render
from tests.support.network.policies import ALL_PORTS, ClusterObjects, EgressFilter
from tests.support.network.reachability import Reachability
from tests.support.network.stacks import Resource, resolve_stacks
from tests.support.network.vpc import GroupRule, Host, SecurityGroup, Vpc

ENVIRONMENT, PROFILE = "prod", "values-eks-prod.yaml"

PORTS = (22, 80, 443, 5432, 5678, 6333, 6335, 6379, 8080, 8081, 9000, 9090)

EKS_GROUP = "eks-cluster-sg"
"""Security group that EKS creates and adds to its own interfaces and to each node. AWS documents its rules."""
EKS_RULES = SecurityGroup(
    ingress=(GroupRule(ALL_PORTS, group=EKS_GROUP),),
    egress=(GroupRule(ALL_PORTS, ip_network("0.0.0.0/0")), GroupRule(ALL_PORTS, ip_network("::/0"))),
)

S3_PREFIX_LIST = "com.amazonaws.${AWS::Region}.s3"
CLOUDFRONT_PREFIX_LIST = "pl-3b927c52"
AGENT = "Pod Identity agent"
FOREIGN = make_pod("another namespace's pod", "10.0.11.250", {}, namespace="monitoring-of-others")

WORKLOADS = {
    "operator", "gateway", "file-sync", "open-webui", "n8n", "n8n-webhook", "n8n-worker", "qdrant",
    "n8n-install", "n8n-initial-scale", "open-webui-install", "open-webui-migrate", "file-sync-grants",
    "databases-install", "qdrant-snapshots", "smoke-test",
}  # fmt: skip
N8N = {"n8n", "n8n-webhook", "n8n-worker"}
API_CLIENTS = {"operator", "gateway", "file-sync", "n8n-initial-scale", "qdrant-snapshots"}
AWS_CLIENTS = {"operator", "gateway", "file-sync", "open-webui", "qdrant-snapshots", "smoke-test"}
OTHERS = {"another namespace's pod"}
"""Pods without network policies. Tenantry's databases and pods must be closed to them."""

TABLE: dict[tuple[str, int], set[str]] = {
    # The load balancer: HTTPS from CloudFront alone.
    ("load balancer", 443): {"CloudFront"},
    # Pods.
    ("open-webui", 8080): {"load balancer", "operator", "open-webui-install", "smoke-test"},
    ("gateway", 8080): {"open-webui", "file-sync", "n8n-worker", "smoke-test"},
    ("file-sync", 8080): {"open-webui", "smoke-test"},
    ("n8n", 5678): {"n8n-install"},
    ("n8n-webhook", 5678): {"open-webui", "file-sync", "n8n-install", "smoke-test"},
    ("qdrant", 6333): {"operator", "gateway", "qdrant-snapshots", "smoke-test"},
    # The data tier.
    ("RDS", 5432): {
        "open-webui", "open-webui-migrate", "file-sync", "file-sync-grants", "databases-install", *N8N,
        *OTHERS,
    },
    ("Redis", 6379): {"open-webui", "operator", "gateway", *N8N, *OTHERS},
    # AWS, Keycloak and the Kubernetes API. Clients of the API may reach port 443 of the whole VPC.
    ("Bedrock endpoint", 443): API_CLIENTS | AWS_CLIENTS | OTHERS,
    ("API server", 443): API_CLIENTS | AWS_CLIENTS | OTHERS,
    ("S3", 443): AWS_CLIENTS | OTHERS,
    ("internet", 443): AWS_CLIENTS | OTHERS,
    (AGENT, 80): AWS_CLIENTS | OTHERS,
}  # fmt: skip
"""Allowed sources by target and port."""


def allow_foreign_pods_everywhere(table: dict[tuple[str, int], set[str]]) -> None:
    """Add what the group of EKS allows to pods without network policies: all ports outside of Tenantry."""
    for target in ("internet", "S3", "API server"):
        for port in PORTS:
            table.setdefault((target, port), set()).update(OTHERS)


@dataclass(frozen=True)
class Network:
    """A VPC, and the release in its cluster."""

    resources: dict[str, Resource]
    release: AddressedRelease

    def list_hosts(self) -> dict[str, Host]:
        """Return all ends of connections by name; nodes and pods have the groups of their node."""
        vpc = Vpc(self.resources, {EKS_GROUP: EKS_RULES})
        node = frozenset({"ClusterSecurityGroup", EKS_GROUP})
        pods = {**self.release.pods, FOREIGN["metadata"]["name"]: FOREIGN["status"]["podIP"]}
        database, cache, endpoint = (
            self.resources[name].properties for name in ("Database", "CacheCluster", "BedrockEndpoint")
        )
        return {
            "internet": Host("203.0.113.7"),
            "CloudFront": Host("130.176.0.9", prefix_lists=frozenset({CLOUDFRONT_PREFIX_LIST})),
            "S3": Host("52.216.0.9", prefix_lists=frozenset({S3_PREFIX_LIST})),
            "load balancer": Host(
                "10.0.1.9", "PublicSubnetA", frozenset({"LoadBalancerSecurityGroup"}), is_public=True
            ),
            "RDS": Host(
                "10.0.20.9",
                self._get_subnet("DatabaseSubnets"),
                frozenset(database["VPCSecurityGroups"]),
                is_public=database["PubliclyAccessible"],
            ),
            "Redis": Host(
                "10.0.20.19", self._get_subnet("CacheSubnets"), frozenset(cache["SecurityGroupIds"])
            ),
            "Bedrock endpoint": Host(
                "10.0.10.40", endpoint["SubnetIds"][0], frozenset(endpoint["SecurityGroupIds"])
            ),
            "API server": Host("10.0.10.3", "AppSubnetA", frozenset({EKS_GROUP})),
            AGENT: Host("169.254.170.23"),
            **{name: Host(address, vpc.find_subnet(address), node) for name, address in pods.items()},
        }

    def list_connections(self, egress_filter: EgressFilter) -> dict[tuple[str, int], set[str]]:
        """Return the sources of all allowed connections by target and port."""
        vpc, hosts = Vpc(self.resources, {EKS_GROUP: EKS_RULES}), self.list_hosts()
        cluster = Reachability(self.release.objects, egress_filter)
        found: dict[tuple[str, int], set[str]] = {}
        for target, to in hosts.items():
            for port in PORTS:
                sources = {
                    source
                    for source, from_ in hosts.items()
                    if source not in (target, AGENT)
                    and (from_.subnet or to.subnet)
                    and self._is_routed(vpc, from_, to, port, target)
                    and cluster.can_connect(from_.address, to.address, port)
                }
                # No policy of this release protects other pods.
                if sources and target not in OTHERS:
                    found[target, port] = sources
        return found

    def _is_routed(self, vpc: Vpc, source: Host, target: Host, port: int, name: str) -> bool:
        # The agent is on each node, at an address of the link, which passes no security group.
        if name == AGENT:
            return port == 80 and source.subnet.startswith("App") and EKS_GROUP in source.groups
        return vpc.can_connect(source, target, port)

    def _get_subnet(self, group: str) -> str:
        return str(self.resources[group].properties["SubnetIds"][0])


@cache
def read_stacks() -> dict[str, Resource]:
    """Return the resources of the production environment."""
    return resolve_stacks(ENVIRONMENT, ("keys", "network", "data"))


@pytest.fixture
def network() -> Network:
    """The production environment."""
    release = render(PROFILE, "--set", "global.network.monitoringNamespace=")
    return Network(deepcopy(read_stacks()), assign_addresses(release, other_pods=[FOREIGN]))


@pytest.mark.parametrize("egress_filter", EgressFilter)
def test_exactly_the_connections_of_the_table_are_allowed(
    network: Network, egress_filter: EgressFilter
) -> None:
    assert set(network.release.pods) == WORKLOADS
    expected = deepcopy(TABLE)
    allow_foreign_pods_everywhere(expected)
    assert network.list_connections(egress_filter) == expected
