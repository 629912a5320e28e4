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
import yaml
from tenantry_infra.stacks import INFRA

from tests.support.charts.cluster_objects import AddressedRelease, assign_addresses, make_pod
from tests.support.charts.rendering import RELEASE, render
from tests.support.network.policies import ALL_PORTS, EgressFilter, Ports
from tests.support.network.reachability import Reachability
from tests.support.network.stacks import Resource, resolve_stacks
from tests.support.network.vpc import GroupRule, Host, SecurityGroup, Vpc

ENVIRONMENT, PROFILE = "prod", "values-eks-prod.yaml"
STACKS = ("keys", "network", "data", "edge")

PORTS = (22, 80, 443, 5432, 5678, 6333, 6335, 6379, 8080, 8081, 9000, 9090)

EKS_GROUP = "eks-cluster-sg"
"""Security group that EKS creates and adds to its interfaces and to each node."""
EKS_RULES = SecurityGroup(
    ingress=(GroupRule(ALL_PORTS, group=EKS_GROUP),),
    egress=(GroupRule(ALL_PORTS, ip_network("0.0.0.0/0")), GroupRule(ALL_PORTS, ip_network("::/0"))),
)

NODE_GROUPS = frozenset({"ClusterSecurityGroup", EKS_GROUP})
"""Groups of a node, and so of its pods: the attached one of eksctl's file, and that of EKS."""

S3_PREFIX_LIST = "com.amazonaws.${AWS::Region}.s3"
CLOUDFRONT_PREFIX_LIST = "pl-3b927c52"
AGENT = "Pod Identity agent"
FOREIGN = make_pod("another namespace's pod", "10.0.11.250", {}, namespace="monitoring-of-others")

SERVERS = {"API server", "S3", "Bedrock endpoint", AGENT}
"""Ends of AWS, which only answer."""

WORKLOADS = {
    "operator", "gateway", "file-sync", "open-webui", "n8n", "n8n-webhook", "n8n-worker", "qdrant",
    "n8n-install", "n8n-initial-scale", "open-webui-install", "open-webui-migrate", "file-sync-grants",
    "databases-install", "qdrant-snapshots", "smoke-test",
}  # fmt: skip
N8N = {"n8n", "n8n-webhook", "n8n-worker"}
API_CLIENTS = {"operator", "gateway", "file-sync", "n8n-initial-scale", "qdrant-snapshots"}
AWS_CLIENTS = {"operator", "gateway", "file-sync", "open-webui", "qdrant-snapshots", "smoke-test"}
OTHERS = {"another namespace's pod"}
"""Pods without network policies. They have the groups of their node, so they reach the data tier, which asks
for a password. They reach no pod of Tenantry."""
OUTSIDE = ("internet", "S3", "API server")
"""Targets outside of Tenantry. The group of EKS allows all ports to them, and network policies only 443."""

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
    **{(target, port): OTHERS for target in OUTSIDE for port in PORTS if port != 443},
}  # fmt: skip
"""Allowed sources by target and port."""


@dataclass(frozen=True)
class Network:
    """A VPC, and the release in its cluster."""

    resources: dict[str, Resource]
    release: AddressedRelease

    def list_hosts(self) -> dict[str, Host]:
        """Return all ends of connections by name; nodes and pods have the groups of their node."""
        vpc = Vpc(self.resources, {EKS_GROUP: EKS_RULES})
        pods = {**self.release.pods, FOREIGN["metadata"]["name"]: FOREIGN["status"]["podIP"]}
        balancer, database, cache = (
            self.resources[name].properties for name in ("LoadBalancer", "Database", "CacheCluster")
        )
        return {
            "internet": Host("203.0.113.7"),
            "CloudFront": Host("130.176.0.9", prefix_lists=frozenset({CLOUDFRONT_PREFIX_LIST})),
            "S3": Host("52.216.0.9", prefix_lists=frozenset({S3_PREFIX_LIST})),
            "load balancer": Host(
                "10.0.1.9",
                balancer["Subnets"][0],
                frozenset(balancer["SecurityGroups"]),
                is_public=balancer["Scheme"] == "internet-facing",
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
            **self._list_endpoints(),
            "API server": Host("10.0.10.3", "AppSubnetA", frozenset({EKS_GROUP})),
            AGENT: Host("169.254.170.23"),
            **{name: Host(address, vpc.find_subnet(address), NODE_GROUPS) for name, address in pods.items()},
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
                    if source != target
                    and source not in SERVERS
                    and (from_.subnet or to.subnet)
                    and self._is_routed(vpc, from_, to, port, target)
                    and cluster.can_connect(from_.address, to.address, port)
                }
                # No policy of this release protects other pods.
                if sources and target not in OTHERS | {"CloudFront"}:
                    found[target, port] = sources
        return found

    def _is_routed(self, vpc: Vpc, source: Host, target: Host, port: int, name: str) -> bool:
        # The agent is on each node, at an address of the link, which passes no security group.
        if name == AGENT:
            return port == 80 and source.groups == NODE_GROUPS
        return vpc.can_connect(source, target, port)

    def _list_endpoints(self) -> dict[str, Host]:
        """Return Bedrock's interface endpoint; development has none."""
        if (endpoint := self.resources.get("BedrockEndpoint")) is None:
            return {}
        groups = frozenset(endpoint.properties["SecurityGroupIds"])
        return {"Bedrock endpoint": Host("10.0.10.40", endpoint.properties["SubnetIds"][0], groups)}

    def _get_subnet(self, group: str) -> str:
        return str(self.resources[group].properties["SubnetIds"][0])


@cache
def read_stacks() -> dict[str, Resource]:
    """Return the resources of the production environment."""
    return resolve_stacks(ENVIRONMENT, STACKS)


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
    assert network.list_connections(egress_filter) == TABLE


def test_the_nodes_have_the_group_of_the_architecture() -> None:
    cluster = yaml.safe_load((INFRA / "eksctl" / "cluster.yaml").read_text())
    for group in cluster["managedNodeGroups"]:
        assert group["securityGroups"] == {"attachIDs": ["${ClusterSecurityGroup}"]}


def test_the_groups_have_the_rules_of_the_architecture() -> None:
    """The document's table "Security Groups", with the cluster in the place of ECS."""
    groups = Vpc(read_stacks()).groups
    cluster, balancer = "ClusterSecurityGroup", "LoadBalancerSecurityGroup"
    nothing = (GroupRule(ALL_PORTS, ip_network("127.0.0.1/32")),)
    assert groups[balancer].ingress == (GroupRule(make_tcp(443), prefix_list=CLOUDFRONT_PREFIX_LIST),)
    assert groups[balancer].egress == (GroupRule(make_tcp(8080), group=cluster),)
    assert set(groups[cluster].ingress) == {
        GroupRule(make_tcp(8080), group=balancer),
        GroupRule(make_tcp(5678), group=cluster),
        GroupRule(make_tcp(6333), group=cluster),
    }
    assert set(groups[cluster].egress) == {
        GroupRule(ALL_PORTS, ip_network("10.0.0.0/16")),
        GroupRule(make_tcp(443), ip_network("0.0.0.0/0")),
    }
    assert groups["DatabaseSecurityGroup"] == SecurityGroup(
        (GroupRule(make_tcp(5432), group=cluster),), nothing
    )
    assert groups["CacheSecurityGroup"] == SecurityGroup((GroupRule(make_tcp(6379), group=cluster),), nothing)


def test_without_cloudfronts_prefix_list_the_load_balancer_is_open_to_the_internet(network: Network) -> None:
    dev = replace(network, resources=resolve_stacks("dev", STACKS))
    found = dev.list_connections(EgressFilter.BEFORE_DNAT)
    assert found["load balancer", 443] == {"internet", "CloudFront"} | AWS_CLIENTS | API_CLIENTS | OTHERS


def open_group(network: Network) -> Network:
    """Open SSH of all nodes to the VPC."""
    rule = {"GroupId": "ClusterSecurityGroup", "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    added = Resource("AWS::EC2::SecurityGroupIngress", {**rule, "CidrIp": "10.0.0.0/16"})
    return replace(network, resources={**network.resources, "Opened": added})


def open_database(network: Network) -> Network:
    """Give RDS a public address, an open group and a route."""
    rule = {"GroupId": "DatabaseSecurityGroup", "IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
    route = {"RouteTableId": "DataRouteTable", "DestinationCidrBlock": "0.0.0.0/0"}
    database = network.resources["Database"]
    public = replace(database, properties={**database.properties, "PubliclyAccessible": True})
    return replace(
        network,
        resources={
            **network.resources,
            "Opened": Resource("AWS::EC2::SecurityGroupIngress", rule),
            "Route": Resource("AWS::EC2::Route", {**route, "GatewayId": "InternetGateway"}),
            "Database": public,
        },
    )


def remove_route(network: Network) -> Network:
    """Remove the way of the application subnets to the internet."""
    kept = {name: each for name, each in network.resources.items() if name not in ("AppRouteA", "AppRouteB")}
    return replace(network, resources=kept)


def move_nat_gateways(network: Network) -> Network:
    """Put the NAT gateways into subnets without a way to the internet."""
    resources = {
        name: replace(each, properties={**each.properties, "SubnetId": "AppSubnetA"})
        if each.kind == "AWS::EC2::NatGateway"
        else each
        for name, each in network.resources.items()
    }
    return replace(network, resources=resources)


def remove_policies(network: Network, *names: str) -> Network:
    """Remove network policies."""
    removed = {f"{RELEASE}-{name}" for name in names}
    objects = network.release.objects
    kept = [each for each in objects.policies if each["metadata"]["name"] not in removed]
    assert len(objects.policies) - len(kept) == len(names)
    return replace(network, release=replace(network.release, objects=replace(objects, policies=kept)))


def remove_policy_of_qdrant(network: Network) -> Network:
    """Remove what opens Qdrant to its clients; the policy for all pods closes it."""
    return remove_policies(network, "qdrant")


def open_load_balancer(network: Network) -> Network:
    """Open the load balancer to the internet, next to CloudFront."""
    rule = {"GroupId": "LoadBalancerSecurityGroup", "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    added = Resource("AWS::EC2::SecurityGroupIngress", {**rule, "CidrIp": "0.0.0.0/0"})
    return replace(network, resources={**network.resources, "Opened": added})


def remove_balancers_rule(network: Network) -> Network:
    """Close the nodes to the load balancer."""
    kept = {name: each for name, each in network.resources.items() if name != "ClusterFromLoadBalancer"}
    return replace(network, resources=kept)


@pytest.mark.parametrize(
    ("break_network", "changed"),
    [
        (open_group, set()),  # policies still close the pods
        (open_database, {("RDS", port) for port in PORTS}),
        (remove_route, {("internet", port) for port in PORTS}),
        (move_nat_gateways, {("internet", port) for port in PORTS}),
        (remove_policy_of_qdrant, {("qdrant", 6333)}),
        (open_load_balancer, {("load balancer", 443)}),
        (remove_balancers_rule, {("open-webui", 8080)}),
    ],
)
def test_a_broken_network_has_another_table(
    network: Network, break_network: Callable[[Network], Network], changed: set[tuple[str, int]]
) -> None:
    before = network.list_connections(EgressFilter.BEFORE_DNAT)
    after = break_network(network).list_connections(EgressFilter.BEFORE_DNAT)
    assert {key for key in before | after if before.get(key) != after.get(key)} == changed


def test_without_policies_a_foreign_pod_reaches_qdrant(network: Network) -> None:
    opened = remove_policies(network, "qdrant", "default-deny")
    found = opened.list_connections(EgressFilter.BEFORE_DNAT)
    assert all(found["qdrant", port] >= OTHERS for port in PORTS)


def make_tcp(port: int) -> Ports:
    return Ports("TCP", port, port)
