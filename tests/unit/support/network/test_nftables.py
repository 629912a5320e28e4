"""Tests of the table of nftables for pods' rules."""

import shutil
import subprocess
from ipaddress import IPv4Network

import pytest

from tests.support.charts.cluster_objects import make_pod
from tests.support.network.nftables import render_table
from tests.support.network.policies import ClusterObjects, EgressFilter, resolve_rules

PODS = [make_pod("client", "10.1.0.5", {}, namespace="a"), make_pod("free", "10.1.0.6", {}, namespace="b")]
POLICY = {
    "metadata": {"name": "p", "namespace": "a"},
    "spec": {
        "policyTypes": ["Ingress", "Egress"],
        "egress": [
            {
                "to": [
                    {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "192.168.0.0/16"]}},
                    {"ipBlock": {"cidr": "::/0"}},
                ],
                "ports": [{"port": 443}, {"protocol": "UDP"}, {"port": 80, "endPort": 90}],
            },
            {"to": [{"ipBlock": {"cidr": "10.2.0.0/16"}}]},
        ],
    },
}


def render(egress_filter: EgressFilter) -> str:
    objects = ClusterObjects(PODS, [], [POLICY])
    return render_table(resolve_rules(objects, egress_filter), IPv4Network("10.1.0.0/24"), egress_filter)


def get_chain(text: str, name: str) -> list[str]:
    """Return the lines of a chain."""
    return [
        line.strip() for line in text.partition(f" chain {name} {{\n")[2].partition("\n }")[0].splitlines()
    ]


def test_each_rule_is_a_line_and_the_last_line_drops() -> None:
    block = "ip daddr 0.0.0.0/0 ip daddr != { 10.0.0.0/8, 192.168.0.0/16 }"
    assert get_chain(render(EgressFilter.AFTER_DNAT), "out_10_1_0_5") == [
        f"{block} tcp dport 443-443 accept",
        f"{block} meta l4proto udp accept",
        f"{block} tcp dport 80-90 accept",
        "ip daddr 10.2.0.0/16 accept",
        "counter drop",
    ]


def test_a_pod_without_policies_has_all_connections() -> None:
    for chain in ("in_10_1_0_6", "out_10_1_0_6"):
        assert get_chain(render(EgressFilter.BEFORE_DNAT), chain) == ["accept"]


@pytest.mark.parametrize(
    ("egress_filter", "hooks", "unknown"),
    [
        (EgressFilter.BEFORE_DNAT, {"egress_prerouting": "prerouting priority -110"}, "drop"),
        (
            EgressFilter.AFTER_DNAT,
            {"egress_forward": "forward priority -1", "egress_input": "input priority 0"},
            "accept",
        ),
    ],
)
def test_egress_is_filtered_at_the_hooks_of_the_filter(
    egress_filter: EgressFilter, hooks: dict[str, str], unknown: str
) -> None:
    text = render(egress_filter)
    assert text.count("chain egress_") == len(hooks)
    for chain, hook in hooks.items():
        assert get_chain(text, chain) == [
            f"type filter hook {hook}; policy accept;",
            "ct state established,related accept",
            "ip saddr vmap { 10.1.0.5 : goto out_10_1_0_5, 10.1.0.6 : goto out_10_1_0_6 }",
            f"ip saddr 10.1.0.0/24 ip saddr != 10.1.0.1 {unknown}",
        ]


@pytest.mark.parametrize("egress_filter", EgressFilter)
def test_nft_accepts_the_table(egress_filter: EgressFilter) -> None:
    nft = shutil.which("nft")
    if not nft:
        pytest.skip("nft is not installed")
    checked = subprocess.run(
        [nft, "--check", "-f", "-"], input=render(egress_filter), text=True, capture_output=True, check=False
    )
    if "Operation not permitted" in checked.stderr:
        pytest.skip("only root can check a table")
    assert checked.returncode == 0, checked.stderr
