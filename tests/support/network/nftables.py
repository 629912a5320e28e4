"""Rendering of pods' rules as one nftables table for the node on which the pods run."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from .policies import EgressFilter, PodRules, Rule, Rules

__all__ = ["TABLE", "render_table"]

TABLE = "ip k8s_netpol"
"""The table. The node's scripts have the same name for theirs, so they delete it with the node."""

PRIORITY_BEFORE_DNAT = -110
"""Priority between connection tracking (-200) and the translation of Services' addresses (-100)."""


def render_table(
    rules: Mapping[IPv4Address | IPv6Address, PodRules], pod_network: IPv4Network, egress_filter: EgressFilter
) -> str:
    """Return commands for ``nft -f`` that replace the table in one transaction.

    With the filter before the translation of addresses, a pod has no connections until its rules are known,
    as in VPC CNI's mode ``strict``. With the other filter it has all of them until then.
    """
    pods = {address: each for address, each in rules.items() if isinstance(address, IPv4Address)}
    before = egress_filter is EgressFilter.BEFORE_DNAT
    egress = {address: pod.egress for address, pod in pods.items()}
    ingress = {address: pod.ingress for address, pod in pods.items()}
    lines = [f"table {TABLE}", f"delete table {TABLE}", f"table {TABLE} {{"]
    for side, peer, chains in (("out", "daddr", egress), ("in", "saddr", ingress)):
        for address, allowed in chains.items():
            lines += _render_pod_chain(_name_chain(side, address), peer, allowed)
    unknown = "drop" if before else "accept"
    # A verdict of one base chain does not end the evaluation of the others.
    hooks = [("prerouting", PRIORITY_BEFORE_DNAT)] if before else [("forward", -1), ("input", 0)]
    for hook, priority in hooks:
        lines += _render_base_chain(
            f"egress_{hook}", hook, priority, _render_map("saddr", "out", egress, pod_network, unknown)
        )
    lines += _render_base_chain(
        "ingress", "forward", 0, _render_map("daddr", "in", ingress, pod_network, unknown)
    )
    return "\n".join([*lines, "}"]) + "\n"


def _render_pod_chain(name: str, peer: str, rules: Rules) -> list[str]:
    if rules is None:
        return [f" chain {name} {{", "  accept", " }"]
    matches = [f"  {_render_match(rule, peer)} accept" for rule in rules if rule.block.network.version == 4]
    return [f" chain {name} {{", *dict.fromkeys(matches), "  counter drop", " }"]


def _render_match(rule: Rule, peer: str) -> str:
    parts = [f"ip {peer} {rule.block.network}"]
    if rule.block.excluded:
        parts.append(f"ip {peer} != {{ {', '.join(map(str, rule.block.excluded))} }}")
    protocol = rule.ports.protocol.lower()
    if protocol and (rule.ports.first, rule.ports.last) == (0, 65535):
        parts.append(f"meta l4proto {protocol}")
    elif protocol:
        parts.append(f"{protocol} dport {rule.ports.first}-{rule.ports.last}")
    return " ".join(parts)


def _render_base_chain(name: str, hook: str, priority: int, rules: list[str]) -> list[str]:
    return [
        f" chain {name} {{",
        f"  type filter hook {hook} priority {priority}; policy accept;",
        "  ct state established,related accept",
        *rules,
        " }",
    ]


def _render_map(
    field: str, side: str, chains: Mapping[IPv4Address, Rules], pod_network: IPv4Network, unknown: str
) -> list[str]:
    """Return the rules that lead a packet to its pod's chain."""
    elements = ", ".join(f"{address} : goto {_name_chain(side, address)}" for address in chains)
    vmap = [f"  ip {field} vmap {{ {elements} }}"] if elements else []
    gateway = next(pod_network.hosts())  # the node
    return [*vmap, f"  ip {field} {pod_network} ip {field} != {gateway} {unknown}"]


def _name_chain(side: str, address: IPv4Address) -> str:
    return f"{side}_{str(address).replace('.', '_')}"
