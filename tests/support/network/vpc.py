"""Connections that a VPC allows by its routes and its security groups, from the stacks' resources."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from .policies import ALL_PORTS, Ports
from .stacks import Resource

__all__ = ["GroupRule", "Host", "SecurityGroup", "Vpc"]

EVERYWHERE = ip_network("0.0.0.0/0")


@dataclass(frozen=True)
class Host:
    """A network interface in the VPC, or an address outside.

    Parameters
    ----------
    subnet
        Subnet of the interface; empty for an address outside.
    groups
        Security groups of the interface.
    prefix_lists
        Prefix lists that contain the address.
    is_public
        True if the interface also has a public address.
    """

    address: str
    subnet: str = ""
    groups: frozenset[str] = frozenset()
    prefix_lists: frozenset[str] = frozenset()
    is_public: bool = False


@dataclass(frozen=True)
class GroupRule:
    """A rule of a security group: ports, and a peer by its addresses, its group or its prefix list."""

    ports: Ports
    block: IPv4Network | IPv6Network | None = None
    group: str = ""
    prefix_list: str = ""

    def matches(self, peer: Host, port: int) -> bool:
        """Return True if the rule allows a connection with a peer."""
        return self.ports.contains(port, "TCP") and (
            (self.block is not None and ip_address(peer.address) in self.block)
            or self.group in peer.groups
            or self.prefix_list in peer.prefix_lists
        )


@dataclass(frozen=True)
class SecurityGroup:
    """Rules of a security group."""

    ingress: tuple[GroupRule, ...]
    egress: tuple[GroupRule, ...]


class Vpc:
    """Routes and security groups of a VPC.

    Parameters
    ----------
    resources
        Resources of the stacks.
    other_groups
        Security groups that no template has.
    """

    def __init__(
        self, resources: Mapping[str, Resource], other_groups: Mapping[str, SecurityGroup] | None = None
    ) -> None:
        self._resources = resources
        (vpc,) = self._list_properties("AWS::EC2::VPC").values()
        self._block = ip_network(vpc["CidrBlock"])
        self._tables = {
            each["SubnetId"]: each["RouteTableId"]
            for each in self._list_properties("AWS::EC2::SubnetRouteTableAssociation").values()
        }
        self.groups = self._read_groups() | dict(other_groups or {})

    def find_subnet(self, address: str) -> str:
        """Return the subnet of an address in the VPC."""
        (found,) = [
            name
            for name, subnet in self._list_properties("AWS::EC2::Subnet").items()
            if ip_address(address) in ip_network(subnet["CidrBlock"])
        ]
        return found

    def can_connect(self, source: Host, target: Host, port: int) -> bool:
        """Return True if routes and security groups allow a TCP connection. Answers need no rule."""
        return (
            self._has_route(source, target)
            and self._is_allowed(source.groups, "egress", target, port, bool(source.subnet))
            and self._is_allowed(target.groups, "ingress", source, port, bool(target.subnet))
        )

    def _is_allowed(
        self, groups: Iterable[str], direction: str, peer: Host, port: int, is_inside: bool
    ) -> bool:
        rules = [rule for name in groups for rule in getattr(self.groups[name], direction)]
        return not is_inside or any(rule.matches(peer, port) for rule in rules)

    def _has_route(self, source: Host, target: Host) -> bool:
        if not source.subnet:
            return target.is_public and self._has_internet_gateway(target.subnet)
        if ip_address(target.address) in self._block:
            return True
        return (
            self._has_nat(source.subnet)
            or (source.is_public and self._has_internet_gateway(source.subnet))
            or self._has_gateway_endpoint(source.subnet, target)
        )

    def _list_routes(self, subnet: str) -> list[Mapping[str, Any]]:
        """Return the routes out of the VPC for every address."""
        return [
            route
            for route in self._list_properties("AWS::EC2::Route").values()
            if route["RouteTableId"] == self._tables.get(subnet)
            and ip_network(route["DestinationCidrBlock"]) == EVERYWHERE
        ]

    def _has_internet_gateway(self, subnet: str) -> bool:
        attached = {
            each["InternetGatewayId"]
            for each in self._list_properties("AWS::EC2::VPCGatewayAttachment").values()
        }
        return any(route.get("GatewayId") in attached for route in self._list_routes(subnet))

    def _has_nat(self, subnet: str) -> bool:
        gateways = self._list_properties("AWS::EC2::NatGateway")
        return any(
            self._has_internet_gateway(gateways[route["NatGatewayId"]]["SubnetId"])
            for route in self._list_routes(subnet)
            if "NatGatewayId" in route
        )

    def _has_gateway_endpoint(self, subnet: str, target: Host) -> bool:
        return any(
            self._tables.get(subnet) in endpoint["RouteTableIds"]
            and endpoint["ServiceName"] in target.prefix_lists
            for endpoint in self._list_properties("AWS::EC2::VPCEndpoint").values()
            if endpoint["VpcEndpointType"] == "Gateway"
        )

    def _list_properties(self, kind: str) -> dict[str, Mapping[str, Any]]:
        return {name: each.properties for name, each in self._resources.items() if each.kind == kind}

    def _read_groups(self) -> dict[str, SecurityGroup]:
        ingress: defaultdict[str, list[GroupRule]] = defaultdict(list)
        egress: defaultdict[str, list[GroupRule]] = defaultdict(list)
        groups = self._list_properties("AWS::EC2::SecurityGroup")
        for name, properties in groups.items():
            ingress[name] += map(_read_rule, properties.get("SecurityGroupIngress", []))
            egress[name] += map(_read_rule, properties.get("SecurityGroupEgress", []))
        for rules, kind in ((ingress, "Ingress"), (egress, "Egress")):
            for properties in self._list_properties(f"AWS::EC2::SecurityGroup{kind}").values():
                rules[properties["GroupId"]].append(_read_rule(properties))
        # AWS adds a rule for all traffic to a group without outbound rules.
        return {
            name: SecurityGroup(
                tuple(ingress[name]), tuple(egress[name]) or (GroupRule(ALL_PORTS, EVERYWHERE),)
            )
            for name in groups
        }


def _read_rule(rule: Mapping[str, Any]) -> GroupRule:
    protocol = str(rule["IpProtocol"])
    ports = ALL_PORTS
    if protocol != "-1":
        ports = Ports(protocol.upper(), int(rule["FromPort"]), int(rule["ToPort"]))
    block = rule.get("CidrIp") or rule.get("CidrIpv6")
    return GroupRule(
        ports,
        ip_network(block) if block else None,
        rule.get("SourceSecurityGroupId") or rule.get("DestinationSecurityGroupId") or "",
        rule.get("SourcePrefixListId") or rule.get("DestinationPrefixListId") or "",
    )
