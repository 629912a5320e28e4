"""Rules that the NetworkPolicies of a cluster give each pod.

A packet to a Service passes two steps: translation of the address to a pod's address (destination NAT),
and a filter for egress. Most CNIs filter after the translation, and VPC CNI of EKS filters
before it. VPC CNI's controller therefore adds the addresses of the Services that a peer's labels select. It
adds none for a peer that is an ``ipBlock``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from .selectors import matches_labels

__all__ = [
    "ALL_PORTS",
    "Address",
    "AddressBlock",
    "ClusterObjects",
    "EgressFilter",
    "PodRules",
    "Ports",
    "Rule",
    "Rules",
    "list_named_ports",
    "resolve_backends",
    "resolve_rules",
]

Object = dict[str, Any]
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class EgressFilter(StrEnum):
    """Position of the filter for egress, relative to the translation of Services' addresses."""

    BEFORE_DNAT = "before-dnat"
    AFTER_DNAT = "after-dnat"


@dataclass(frozen=True)
class AddressBlock:
    """Addresses of a peer."""

    network: Network
    excluded: tuple[Network, ...] = ()

    def contains(self, address: Address) -> bool:
        """Return True if the block contains an address."""
        return address in self.network and not any(address in network for network in self.excluded)


@dataclass(frozen=True)
class Ports:
    """A range of ports of one protocol; an empty protocol means all protocols."""

    protocol: str = ""
    first: int = 0
    last: int = 65535

    def contains(self, port: int, protocol: str) -> bool:
        """Return True if the range contains a port."""
        return self.protocol in ("", protocol) and self.first <= port <= self.last


ALL_PORTS = Ports()


@dataclass(frozen=True)
class Rule:
    """An allowed peer and the allowed ports of the connection's target."""

    block: AddressBlock
    ports: Ports

    def matches(self, address: Address, port: int, protocol: str) -> bool:
        """Return True if the rule allows a connection with a peer."""
        return self.block.contains(address) and self.ports.contains(port, protocol)


Rules = tuple[Rule, ...] | None
"""Rules of one direction. None: no policy selects the pod, so all connections are allowed."""


@dataclass(frozen=True)
class PodRules:
    """Rules of a pod."""

    ingress: Rules
    egress: Rules


@dataclass(frozen=True)
class ClusterObjects:
    """Objects of a cluster that decide which connections are allowed."""

    pods: Sequence[Object]
    namespaces: Sequence[Object]
    policies: Sequence[Object]
    services: Sequence[Object] = field(default=())
    endpoint_slices: Sequence[Object] = field(default=())

    def list_pods(self) -> list[Object]:
        """Return the running pods that have a separate address."""
        return [
            pod
            for pod in self.pods
            if pod.get("status", {}).get("podIP")
            and not pod["spec"].get("hostNetwork")
            and pod["status"].get("phase") not in ("Succeeded", "Failed")
        ]

    def select_pods(self, selector: Object, namespace: str) -> list[Object]:
        """Return the pods of a namespace that a selector selects."""
        return [
            pod
            for pod in self.list_pods()
            if pod["metadata"]["namespace"] == namespace and matches_labels(selector, _get_labels(pod))
        ]

    def select_namespaces(self, selector: Object) -> list[str]:
        """Return the names of the namespaces that a selector selects."""
        return [
            item["metadata"]["name"]
            for item in self.namespaces
            if matches_labels(selector, _get_labels(item))
        ]


def resolve_rules(objects: ClusterObjects, egress_filter: EgressFilter) -> dict[Address, PodRules]:
    """Return the rules of each pod by its address."""
    return {
        get_address(pod): PodRules(
            _resolve_direction(objects, pod, "Ingress", egress_filter),
            _resolve_direction(objects, pod, "Egress", egress_filter),
        )
        for pod in objects.list_pods()
    }


def get_address(pod: Object) -> Address:
    """Return a pod's address."""
    return ip_address(pod["status"]["podIP"])


def list_named_ports(pod: Object) -> list[tuple[str, str, int]]:
    """Return name, protocol and number of each port that a pod's containers declare."""
    return [
        (port.get("name", ""), port.get("protocol", "TCP"), port["containerPort"])
        for container in pod["spec"]["containers"]
        for port in container.get("ports") or []
    ]


def _resolve_direction(
    objects: ClusterObjects, pod: Object, direction: str, egress_filter: EgressFilter
) -> Rules:
    namespace = pod["metadata"]["namespace"]
    policies = [
        policy
        for policy in objects.policies
        if policy["metadata"]["namespace"] == namespace
        and direction in _list_types(policy["spec"])
        and matches_labels(policy["spec"].get("podSelector") or {}, _get_labels(pod))
    ]
    if not policies:
        return None
    rules: list[Rule] = []
    for policy in policies:
        for entry in policy["spec"].get(direction.lower()) or []:
            # As in the API, an absent or empty list of peers or ports allows all of them.
            peers, ports = entry.get("from" if direction == "Ingress" else "to"), entry.get("ports")
            if not peers:
                rules += [
                    Rule(AddressBlock(ip_network(everywhere)), each)
                    for everywhere in ("0.0.0.0/0", "::/0")
                    for each in _resolve_ports(ports, pod if direction == "Ingress" else None)
                ]
            for peer in peers or []:
                rules += _resolve_peer(
                    objects, namespace, peer, ports, pod if direction == "Ingress" else None
                )
                if direction == "Egress" and egress_filter is EgressFilter.BEFORE_DNAT:
                    rules += _resolve_services(objects, namespace, peer, ports)
    return tuple(dict.fromkeys(rules))


def _list_types(spec: Object) -> list[str]:
    types: list[str] = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    return types


def _resolve_peer(
    objects: ClusterObjects, namespace: str, peer: Object, ports: list[Object] | None, target: Object | None
) -> Iterator[Rule]:
    """Yield the rules of a peer.

    The target's containers declare named ports; without a target the peer's containers do.
    """
    if "ipBlock" in peer:
        excluded = tuple(ip_network(network) for network in peer["ipBlock"].get("except") or [])
        block = AddressBlock(ip_network(peer["ipBlock"]["cidr"]), excluded)
        yield from (Rule(block, each) for each in _resolve_ports(ports, target))
        return
    for name in _list_peer_namespaces(objects, namespace, peer):
        for pod in objects.select_pods(peer.get("podSelector") or {}, name):
            block = AddressBlock(ip_network(pod["status"]["podIP"]))
            yield from (Rule(block, each) for each in _resolve_ports(ports, target or pod))


def _resolve_services(
    objects: ClusterObjects, namespace: str, peer: Object, ports: list[Object] | None
) -> Iterator[Rule]:
    """Yield the rules for the Services that VPC CNI's controller adds for a peer."""
    if "ipBlock" in peer:
        return
    names = _list_peer_namespaces(objects, namespace, peer)
    for service in objects.services:
        spec = service["spec"]
        if (
            service["metadata"]["namespace"] not in names
            or spec.get("clusterIP") in (None, "", "None")
            or not matches_labels(peer.get("podSelector") or {}, spec.get("selector") or {})
        ):
            continue
        block = AddressBlock(ip_network(spec["clusterIP"]))
        if not ports:
            yield Rule(block, ALL_PORTS)
        for port in ports or []:
            protocol = port.get("protocol", "TCP")
            if port.get("port") is None:
                yield Rule(block, Ports(protocol))
                continue
            for listening in spec.get("ports") or []:
                targets = {listening.get("targetPort", listening["port"])} | {
                    number for _, number in resolve_backends(objects, service, listening)
                }
                if protocol == listening.get("protocol", "TCP") and port["port"] in targets:
                    yield Rule(block, Ports(protocol, listening["port"], listening["port"]))


def resolve_backends(objects: ClusterObjects, service: Object, port: Object) -> list[tuple[Address, int]]:
    """Return address and port of each backend of a Service's port."""
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    target = port.get("targetPort", port["port"])
    if not service["spec"].get("selector"):
        return [
            (ip_address(address), entry["port"])
            for item in objects.endpoint_slices
            if item["metadata"]["namespace"] == namespace
            and _get_labels(item).get("kubernetes.io/service-name") == name
            for entry in item["ports"]
            if entry.get("name") in (None, "", port.get("name"))
            for endpoint in item["endpoints"]
            for address in endpoint["addresses"]
        ]
    return [
        (get_address(pod), number)
        for pod in objects.select_pods({"matchLabels": service["spec"]["selector"]}, namespace)
        for number in (
            [target]
            if isinstance(target, int)
            else [
                number
                for declared, protocol, number in list_named_ports(pod)
                if (declared, protocol) == (target, port.get("protocol", "TCP"))
            ]
        )
    ]


def _list_peer_namespaces(objects: ClusterObjects, namespace: str, peer: Object) -> list[str]:
    selector = peer.get("namespaceSelector")
    return [namespace] if selector is None else objects.select_namespaces(selector)


def _resolve_ports(ports: list[Object] | None, target: Object | None) -> list[Ports]:
    """Return ranges of ports; the target's containers declare named ports."""
    if not ports:
        return [ALL_PORTS]
    found = []
    for port in ports:
        protocol, number = port.get("protocol", "TCP"), port.get("port")
        if number is None:
            found.append(Ports(protocol))
        elif isinstance(number, int):
            found.append(Ports(protocol, number, port.get("endPort", number)))
        elif target:
            found += [
                Ports(protocol, declared, declared)
                for name, its_protocol, declared in list_named_ports(target)
                if (name, its_protocol) == (number, protocol)
            ]
    return found


def _get_labels(item: Object) -> dict[str, str]:
    return item["metadata"].get("labels") or {}
