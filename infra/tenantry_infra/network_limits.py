"""Limits of the addresses of an environment: of its VPC, its subnets and its Services."""

import ipaddress
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network

__all__ = ["check_public_networks", "check_service_network", "find_network_faults"]

PRIVATE = tuple(IPv4Network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
SHARED = IPv4Network("100.64.0.0/10")
"""Addresses of carriers, which a VPC may use, too."""

WIDEST_PUBLIC = 8
"""Shortest prefix of a network that may reach the API server. A wider one is a large part of the internet."""

SMALLEST = {
    "PublicCidrs": (27, "a load balancer needs it"),
    "AppCidrs": (25, "each pod has an address in them"),
    "DataCidrs": (28, "AWS needs it"),
}
"""Longest prefix of the subnets by their parameter, and its reason."""


def check_service_network(value: str) -> str:
    """Return the network of a cluster's Services.

    Raises
    ------
    ValueError
        EKS does not accept it.
    """
    network = _parse(value)
    if not 12 <= network.prefixlen <= 24:
        raise ValueError(f"{value} must be a network between /12 and /24, by the rules of EKS")
    if not _is_within(network, PRIVATE):
        raise ValueError(f"{value} must be within {', '.join(map(str, PRIVATE))}, by the rules of EKS")
    return value


def check_public_networks(values: list[str]) -> list[str]:
    """Return the networks that may reach the API server over the internet.

    Raises
    ------
    ValueError
        One is private, occurs twice, or is a large part of the internet.
    """
    networks = [_parse(value) for value in values]
    for value, network in zip(values, networks, strict=True):
        if network.prefixlen < WIDEST_PUBLIC:
            raise ValueError(f"{value} is a large part of the internet. Name the networks of your people")
        if _is_within(network, PRIVATE):
            raise ValueError(f"{value} is private: such addresses reach the API server without it")
        if networks.count(network) > 1:
            raise ValueError(f"{value} is listed twice")
    return [str(network) for network in networks]


def find_network_faults(parameters: Mapping[str, str], service_cidr: str) -> Iterator[str]:
    """Yield what is wrong with the addresses of the VPC and its subnets, each with its path."""
    path = "parameters.network"
    try:
        vpc = _parse(parameters["VpcCidr"])
    except ValueError as exc:
        yield f"{path}.VpcCidr: {exc}"
        return
    if not 16 <= vpc.prefixlen <= 28:
        yield f"{path}.VpcCidr: {vpc} must be a network between /16 and /28, by the rules of a VPC"
    if not _is_within(vpc, (*PRIVATE, SHARED)):
        yield f"{path}.VpcCidr: {vpc} must be within {', '.join(map(str, (*PRIVATE, SHARED)))}"
    if vpc.overlaps(IPv4Network(service_cidr)):
        yield f"serviceCidr: {service_cidr} overlaps with the VPC, {vpc}"
    subnets: list[tuple[str, IPv4Network]] = []
    for name in SMALLEST:
        cidrs = [each.strip() for each in parameters[name].split(",") if each.strip()]
        if len(cidrs) != 2:
            yield f"{path}.{name}: must be two subnets, one in each zone, not {len(cidrs)}"
        try:
            subnets += [(name, _parse(cidr)) for cidr in cidrs]
        except ValueError as exc:
            yield f"{path}.{name}: {exc}"
    for position, (name, subnet) in enumerate(subnets):
        yield from (f"{path}.{name}: {fault}" for fault in _find_subnet_faults(name, subnet, vpc))
        yield from (
            f"{path}.{name}: the subnets {subnet} and {other} overlap"
            for _, other in subnets[position + 1 :]
            if subnet.overlaps(other)
        )


def _find_subnet_faults(name: str, subnet: IPv4Network, vpc: IPv4Network) -> Iterator[str]:
    longest, reason = SMALLEST[name]
    if subnet.prefixlen > longest:
        yield f"{subnet} must not be smaller than /{longest}, because {reason}"
    if not subnet.subnet_of(vpc):
        yield f"the subnet {subnet} is not in the VPC, {vpc}"


def _parse(value: str) -> IPv4Network:
    if ipaddress.ip_network(value).version != 4:
        raise ValueError(f"{value} must be a network of IPv4")
    return IPv4Network(value)


def _is_within(network: IPv4Network, others: tuple[IPv4Network, ...]) -> bool:
    return any(network.subnet_of(other) for other in others)
