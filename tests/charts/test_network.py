"""Tests of the network policies: they allow the connections of the AWS architecture and no others.

The tests evaluate the rendered policies as Kubernetes does: both sides must allow a connection.
"""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.support.charts.rendering import RELEASE, Release, render

WORLD = "203.0.113.7"
LOAD_BALANCER = "10.0.1.9"
POSTGRES = "10.0.20.9"
KUBERNETES = "10.0.10.3"
INGRESS = "10.244.0.7"
"""Address of an ingress controller's pod in kind."""
FOREIGN_POD = {"app.kubernetes.io/name": "shell"}
"""Labels of a foreign pod in the same namespace."""

ALLOWED = {
    (LOAD_BALANCER, "open-webui", 8080),
    ("operator", "open-webui", 8080),
    ("open-webui-install", "open-webui", 8080),
    ("open-webui", "gateway", 8080),
    ("open-webui", "file-sync", 8080),
    ("open-webui", "n8n-webhook", 5678),
    ("open-webui", POSTGRES, 5432),
    ("open-webui", POSTGRES, 6379),
    ("open-webui", WORLD, 443),
    ("open-webui", POSTGRES, 443),
    ("open-webui", KUBERNETES, 443),
    ("open-webui", LOAD_BALANCER, 443),
    ("open-webui-migrate", POSTGRES, 5432),
    ("file-sync-grants", POSTGRES, 5432),
    ("gateway", "qdrant", 6333),
    ("operator", "qdrant", 6333),
    ("file-sync", "gateway", 8080),
    ("n8n-worker", "gateway", 8080),
    ("file-sync", "n8n-webhook", 5678),
    ("n8n-install", "n8n-webhook", 5678),
    ("n8n-install", "n8n", 5678),
    ("n8n", POSTGRES, 5432),
    ("n8n", POSTGRES, 6379),
    ("n8n-webhook", POSTGRES, 5432),
    ("n8n-webhook", POSTGRES, 6379),
    ("n8n-worker", POSTGRES, 5432),
    ("n8n-worker", POSTGRES, 6379),
    ("n8n-initial-scale", KUBERNETES, 443),
    ("n8n-initial-scale", LOAD_BALANCER, 443),
    ("n8n-initial-scale", POSTGRES, 443),
    ("gateway", WORLD, 443),
    ("operator", WORLD, 443),
    ("file-sync", WORLD, 443),
    ("file-sync", POSTGRES, 5432),
    ("gateway", POSTGRES, 6379),
    ("operator", POSTGRES, 6379),
    ("gateway", KUBERNETES, 443),
    ("operator", KUBERNETES, 443),
    ("file-sync", KUBERNETES, 443),
    ("gateway", POSTGRES, 443),
    ("operator", POSTGRES, 443),
    ("file-sync", POSTGRES, 443),
    ("gateway", LOAD_BALANCER, 443),
    ("operator", LOAD_BALANCER, 443),
    ("file-sync", LOAD_BALANCER, 443),
}
"""Allowed connections. Port 443 is open to all addresses, because Bedrock, S3 and STS have no fixed
addresses. Clients of only the Kubernetes API may reach port 443 in the whole VPC."""

INCLUDED = {
    ("keycloak", "postgres", 5432),
    ("n8n", "postgres", 5432),
    ("n8n-webhook", "postgres", 5432),
    ("n8n-worker", "postgres", 5432),
    ("file-sync", "postgres", 5432),
    ("file-sync-grants", "postgres", 5432),
    ("open-webui", "postgres", 5432),
    ("open-webui-migrate", "postgres", 5432),
    ("open-webui", "redis", 6379),
    ("open-webui", "keycloak", 8080),
    ("gateway", "redis", 6379),
    ("operator", "redis", 6379),
    ("n8n", "redis", 6379),
    ("n8n-webhook", "redis", 6379),
    ("n8n-worker", "redis", 6379),
    ("gateway", "keycloak", 8080),
    ("operator", "keycloak", 8080),
    ("file-sync", "keycloak", 8080),
}
"""Additional connections in kind, to the release's own Postgres, Redis and Keycloak."""

PORTS = (80, 443, 5432, 5678, 6333, 6335, 6379, 8080, 8081, 9000, 9090)
OUTSIDE = (WORLD, LOAD_BALANCER, POSTGRES, KUBERNETES)


@pytest.fixture(scope="module")
def release() -> Release:
    """The chart without monitoring."""
    return render("values-eks-prod.yaml", "--set", "global.network.monitoringNamespace=")


def is_allowed(release: Release, source: Any, target: Any, port: int) -> bool:
    """Return True if the policies allow a connection between pods (labels) or outside addresses."""
    return _is_allowed_by(release, "egress", source, target, port) and _is_allowed_by(
        release, "ingress", target, source, port
    )


def _is_allowed_by(release: Release, direction: str, own: Any, other: Any, port: int) -> bool:
    if isinstance(own, str):
        return True  # no policy restricts outside addresses
    policies = [
        item["spec"]
        for item in release.list_objects("NetworkPolicy")
        if direction.capitalize() in item["spec"]["policyTypes"]
        and item["spec"]["podSelector"]["matchLabels"].items() <= own.items()
    ]
    peers = "to" if direction == "egress" else "from"
    return not policies or any(
        any(entry["port"] == port and entry.get("protocol", "TCP") == "TCP" for entry in rule["ports"])
        and any(_matches(peer, other) for peer in rule[peers])
        for spec in policies
        for rule in spec.get(direction) or []
    )


def _matches(peer: dict[str, Any], other: Any) -> bool:
    if "ipBlock" in peer:
        return isinstance(other, str) and ip_address(other) in ip_network(peer["ipBlock"]["cidr"])
    if "namespaceSelector" in peer or isinstance(other, str):
        return False
    return bool(peer["podSelector"]["matchLabels"].items() <= other.items())


def list_connections(release: Release, outside: tuple[str, ...] = ()) -> set[tuple[str, str, int]]:
    """Return all allowed connections: source, target and port."""
    ends: dict[str, Any] = {name: pod["metadata"]["labels"] for name, pod in release.iter_pods()}
    ends |= {address: address for address in outside} | {"foreign-pod": FOREIGN_POD}
    return {
        (source, target, port)
        for source, from_ in ends.items()
        for target, to in ends.items()
        for port in PORTS
        if source != target
        and not {source, target} <= {*outside, "foreign-pod"}
        and is_allowed(release, from_, to, port)
    }


def test_exactly_these_connections_are_allowed(release: Release) -> None:
    assert list_connections(release, OUTSIDE) == ALLOWED


def test_only_qdrant_reaches_qdrants_peer_port() -> None:
    release = render("values-kind.yaml")
    pods = {name: pod["metadata"]["labels"] for name, pod in release.iter_pods()} | {
        "foreign-pod": FOREIGN_POD
    }
    assert {name for name, labels in pods.items() if is_allowed(release, labels, pods["qdrant"], 6335)} == {
        "qdrant"
    }


def test_included_and_external_databases_have_the_same_clients() -> None:
    inside = list_connections(render("values-kind.yaml"))
    between_pods = {edge for edge in ALLOWED if not set(edge) & set(OUTSIDE)}
    assert inside == between_pods | INCLUDED


def test_the_ingress_controller_reaches_only_keycloak_and_open_webui() -> None:
    from_ingress = {
        edge for edge in list_connections(render("values-kind.yaml"), (INGRESS,)) if edge[0] == INGRESS
    }
    assert from_ingress == {(INGRESS, "keycloak", 8080), (INGRESS, "open-webui", 8080)}


def test_the_default_deny_policy_selects_every_pod(release: Release) -> None:
    (policy,) = [
        item
        for item in release.list_objects("NetworkPolicy")
        if item["metadata"]["name"] == f"{RELEASE}-default-deny"
    ]
    wanted = policy["spec"]["podSelector"]["matchLabels"]
    for name, pod in release.iter_pods():
        assert wanted.items() <= pod["metadata"]["labels"].items(), name


def test_the_monitoring_namespace_may_scrape_metrics() -> None:
    release = render("values-eks-prod.yaml")
    for name in ("operator", "gateway", "file-sync", "n8n", "n8n-webhook", "n8n-worker", "qdrant"):
        rules = release.get("NetworkPolicy", name)["spec"]["ingress"]
        peers = [peer for rule in rules for peer in rule["from"] if "namespaceSelector" in peer]
        assert peers == [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
        ]


def test_jobs_allow_no_ingress() -> None:
    release = render("values-eks-prod.yaml")
    for name in (
        "n8n-install",
        "n8n-initial-scale",
        "open-webui-install",
        "open-webui-migrate",
        "file-sync-grants",
    ):
        assert not release.get("NetworkPolicy", name)["spec"]["ingress"]
