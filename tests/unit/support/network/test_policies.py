"""Tests of the rules that network policies give pods."""

from typing import Any

import pytest

from tests.support.charts.cluster_objects import make_pod
from tests.support.network.policies import ClusterObjects, EgressFilter
from tests.support.network.reachability import Reachability

CLIENT, SERVER, OTHER = "10.1.0.1", "10.1.0.2", "10.1.0.3"
SERVICE = "10.100.0.7"

SERVER_SPEC = {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]}

PODS = [
    make_pod("client", CLIENT, {"app": "client"}, namespace="a"),
    make_pod("server", SERVER, {"app": "server", "tier": "web"}, namespace="a", spec=SERVER_SPEC),
    make_pod("other", OTHER, {"app": "server"}, namespace="b", spec=SERVER_SPEC),
]
NAMESPACES = [{"metadata": {"name": name, "labels": {"name": name}}} for name in ("a", "b")]


def make_policy(pod: str, **spec: Any) -> dict[str, Any]:
    """Return a policy for the pods with a label."""
    return {
        "metadata": {"name": pod, "namespace": "a"},
        "spec": {"podSelector": {"matchLabels": {"app": pod}}, **spec},
    }


def make_egress(*peers: dict[str, Any], ports: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Return a policy with one rule for the client's egress."""
    rule = {"to": list(peers)} | ({"ports": ports} if ports else {})
    return make_policy("client", policyTypes=["Egress"], egress=[rule])


def make_service(**spec: Any) -> dict[str, Any]:
    """Return a Service of the server."""
    return {
        "metadata": {"name": "server", "namespace": "a"},
        "spec": {
            "clusterIP": SERVICE,
            "selector": {"app": "server"},
            "ports": [{"port": 80, "targetPort": "http"}],
            **spec,
        },
    }


def make_reachability(
    *policies: dict[str, Any],
    services: tuple[dict[str, Any], ...] = (),
    egress_filter: EgressFilter = EgressFilter.AFTER_DNAT,
) -> Reachability:
    return Reachability(ClusterObjects(PODS, NAMESPACES, policies, services), egress_filter)


TO_SERVER = {"podSelector": {"matchLabels": {"app": "server"}}}
EVERYWHERE = {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.1.0.0/16"]}}


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        (make_egress(TO_SERVER), {SERVER}),
        (make_egress({"podSelector": {}}), {CLIENT, SERVER}),
        (make_egress({"namespaceSelector": {}}), {CLIENT, SERVER, OTHER}),
        (make_egress({"namespaceSelector": {"matchLabels": {"name": "b"}}}), {OTHER}),
        (make_egress({"namespaceSelector": {}} | TO_SERVER), {SERVER, OTHER}),
        (
            make_egress({"podSelector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]}}),
            {SERVER},
        ),
        (
            make_egress({"podSelector": {"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}}),
            {CLIENT},
        ),
        (
            make_egress(
                {
                    "podSelector": {
                        "matchExpressions": [{"key": "app", "operator": "In", "values": ["server"]}]
                    }
                }
            ),
            {SERVER},
        ),
        (
            make_egress(
                {
                    "podSelector": {
                        "matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["server"]}]
                    }
                }
            ),
            {CLIENT},
        ),
        (make_egress({"ipBlock": {"cidr": "10.1.0.2/31"}}), {SERVER, OTHER}),
        (make_egress(EVERYWHERE), {"203.0.113.7"}),
        (make_egress({"ipBlock": {"cidr": "2600::/16"}}), {"2600::7"}),
        (make_policy("client", policyTypes=["Egress"]), set()),
        # An absent or empty list of peers allows all addresses, of both families.
        (make_egress(), {CLIENT, SERVER, OTHER, "203.0.113.7", "2600::7"}),
        (
            make_policy("client", policyTypes=["Egress"], egress=[{}]),
            {CLIENT, SERVER, OTHER, "203.0.113.7", "2600::7"},
        ),
    ],
)
def test_peers_of_egress(policy: dict[str, Any], allowed: set[str]) -> None:
    reachability = make_reachability(policy)
    targets = (CLIENT, SERVER, OTHER, "203.0.113.7", "2600::7")
    assert {target for target in targets if reachability.can_connect(CLIENT, target, 8080)} == allowed


@pytest.mark.parametrize(
    ("port", "allowed"),
    [
        ({"port": 8080}, {("TCP", 8080)}),
        ({"port": 8080, "protocol": "UDP"}, {("UDP", 8080)}),
        ({"port": 80, "endPort": 8080}, {("TCP", 80), ("TCP", 8080)}),
        ({"protocol": "UDP"}, {("UDP", 80), ("UDP", 8080), ("UDP", 9090)}),
        ({"port": "http"}, {("TCP", 8080)}),
        ({"port": "https"}, set()),
    ],
)
def test_ports(port: dict[str, Any], allowed: set[tuple[str, int]]) -> None:
    outgoing = make_reachability(make_egress(TO_SERVER, ports=[port]))
    incoming = make_reachability(
        make_policy(
            "server",
            policyTypes=["Ingress"],
            ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}], "ports": [port]}],
        )
    )
    tried = [(protocol, number) for protocol in ("TCP", "UDP") for number in (80, 8080, 9090)]
    for reachability in (outgoing, incoming):
        assert {
            each for each in tried if reachability.can_connect(CLIENT, SERVER, each[1], each[0])
        } == allowed


def test_ports_by_name_match_no_block_of_addresses() -> None:
    policy = make_egress({"ipBlock": {"cidr": "10.1.0.0/16"}}, ports=[{"port": "http"}])
    assert not make_reachability(policy).can_connect(CLIENT, SERVER, 8080)


def test_rules_of_all_policies_are_added() -> None:
    reachability = make_reachability(
        make_egress(TO_SERVER), make_egress({"ipBlock": {"cidr": "203.0.113.0/24"}})
    )
    for target in (SERVER, "203.0.113.7"):
        assert reachability.can_connect(CLIENT, target, 8080)
    assert not reachability.can_connect(CLIENT, OTHER, 8080)


def test_a_policy_without_types_is_one_for_ingress_and_for_egress_if_it_has_rules() -> None:
    assert not make_reachability(make_policy("server")).can_connect(CLIENT, SERVER, 8080)
    assert make_reachability(make_policy("server")).can_connect(SERVER, CLIENT, 8080)
    both = make_policy("client", egress=[{"to": [TO_SERVER]}])
    assert not make_reachability(both).can_connect(SERVER, CLIENT, 8080)
    assert not make_reachability(both).can_connect(CLIENT, OTHER, 8080)


@pytest.mark.parametrize("change", [{"phase": "Succeeded"}, {"podIP": None}])
def test_pods_without_an_address_have_no_rules(change: dict[str, Any]) -> None:
    ended = make_pod("client", CLIENT, {"app": "client"}, namespace="a")
    ended["status"] |= change
    objects = ClusterObjects([ended, *PODS[1:]], NAMESPACES, [make_egress()])
    assert Reachability(objects, EgressFilter.AFTER_DNAT).can_connect(CLIENT, OTHER, 8080)


@pytest.mark.parametrize("egress_filter", EgressFilter)
@pytest.mark.parametrize("ports", [None, [{"port": 8080}], [{"port": "http"}], [{"protocol": "TCP"}]])
def test_a_service_of_selected_pods_is_reachable(
    ports: list[dict[str, Any]] | None, egress_filter: EgressFilter
) -> None:
    policy = make_egress(TO_SERVER, ports=ports)
    reachability = make_reachability(policy, services=(make_service(),), egress_filter=egress_filter)
    assert reachability.can_connect(CLIENT, SERVICE, 80)
    assert not reachability.can_connect(CLIENT, SERVICE, 8080)


@pytest.mark.parametrize(
    ("peer", "before", "after"),
    [
        ({"ipBlock": {"cidr": f"{SERVER}/32"}}, False, True),
        ({"ipBlock": {"cidr": f"{SERVICE}/32"}}, True, False),
        ({"podSelector": {"matchLabels": {"app": "server", "tier": "web"}}}, False, True),
        ({"namespaceSelector": {"matchLabels": {"name": "b"}}}, False, False),
    ],
)
def test_the_filter_sees_the_address_of_the_service_or_of_its_pod(
    peer: dict[str, Any], before: bool, after: bool
) -> None:
    for egress_filter, allowed in ((EgressFilter.BEFORE_DNAT, before), (EgressFilter.AFTER_DNAT, after)):
        reachability = make_reachability(
            make_egress(peer), services=(make_service(),), egress_filter=egress_filter
        )
        assert reachability.can_connect(CLIENT, SERVICE, 80) is allowed


def test_a_service_without_a_selector_leads_to_its_endpoints() -> None:
    service = make_service(selector=None, ports=[{"name": "https", "port": 443}])
    endpoints = {
        "metadata": {
            "name": "server-1",
            "namespace": "a",
            "labels": {"kubernetes.io/service-name": "server"},
        },
        "ports": [{"name": "https", "port": 6443}],
        "endpoints": [{"addresses": ["192.0.2.1"]}],
    }
    policy = make_egress({"ipBlock": {"cidr": "192.0.2.1/32"}}, ports=[{"port": 6443}])
    objects = ClusterObjects(PODS, NAMESPACES, [policy], [service], [endpoints])
    assert Reachability(objects, EgressFilter.AFTER_DNAT).can_connect(CLIENT, SERVICE, 443)
    assert not Reachability(objects, EgressFilter.BEFORE_DNAT).can_connect(CLIENT, SERVICE, 443)
