"""Who may talk to whom: the edges of the AWS document's security groups, and no other.

The rendered policies are evaluated as Kubernetes does: a connection needs both sides' leave.
"""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.support.charts import RELEASE, Release, render

WORLD = "203.0.113.7"
LOAD_BALANCER = "10.0.1.9"
POSTGRES = "10.0.20.9"
KUBERNETES = "10.0.10.3"
INGRESS = "10.244.0.7"
"""An ingress controller's pod in kind, as a policy sees it."""
STRANGER = {"app.kubernetes.io/name": "shell"}
"""A pod of somebody else's, in the same namespace."""

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
"""443 goes anywhere, as in the document: Bedrock, S3 and STS have no addresses of their own. The Kubernetes
API may be anywhere in the VPC, which is why what asks it alone reaches 443 in all of its subnets."""

OWN = {
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
"""What the release has of its own in kind, and who reaches it."""

PORTS = (80, 443, 5432, 5678, 6333, 6335, 6379, 8080, 8081, 9000, 9090)
OUTSIDE = (WORLD, LOAD_BALANCER, POSTGRES, KUBERNETES)


@pytest.fixture(scope="module")
def release() -> Release:
    """The chart as it is without monitoring."""
    return render("values-eks-prod.yaml", "--set", "global.network.monitoringNamespace=")


def allowed(release: Release, source: Any, target: Any, port: int) -> bool:
    """Tell whether a connection comes about between two pods (labels) or outside addresses."""
    return _side(release, "egress", source, target, port) and _side(release, "ingress", target, source, port)


def _side(release: Release, direction: str, own: Any, other: Any, port: int) -> bool:
    if isinstance(own, str):
        return True  # what is outside has no policy of ours
    ruling = [
        item["spec"]
        for item in release.of("NetworkPolicy")
        if direction.capitalize() in item["spec"]["policyTypes"]
        and item["spec"]["podSelector"]["matchLabels"].items() <= own.items()
    ]
    peers = "to" if direction == "egress" else "from"
    return not ruling or any(
        any(entry["port"] == port and entry.get("protocol", "TCP") == "TCP" for entry in rule["ports"])
        and any(_meets(peer, other) for peer in rule[peers])
        for spec in ruling
        for rule in spec.get(direction) or []
    )


def _meets(peer: dict[str, Any], other: Any) -> bool:
    if "ipBlock" in peer:
        return isinstance(other, str) and ip_address(other) in ip_network(peer["ipBlock"]["cidr"])
    if "namespaceSelector" in peer or isinstance(other, str):
        return False
    return bool(peer["podSelector"]["matchLabels"].items() <= other.items())


def edges(release: Release, outside: tuple[str, ...] = ()) -> set[tuple[str, str, int]]:
    """Return who reaches whom at which port: pods by their names, and addresses outside."""
    ends: dict[str, Any] = {name: pod["metadata"]["labels"] for name, pod in release.pods()}
    ends |= {address: address for address in outside} | {"stranger": STRANGER}
    return {
        (source, target, port)
        for source, from_ in ends.items()
        for target, to in ends.items()
        for port in PORTS
        if source != target
        and not {source, target} <= {*outside, "stranger"}
        and allowed(release, from_, to, port)
    }


def test_the_edges_are_these_and_no_others(release: Release) -> None:
    assert edges(release, OUTSIDE) == ALLOWED


def test_only_a_qdrant_reaches_another() -> None:
    release = render("values-kind.yaml")
    pods = {name: pod["metadata"]["labels"] for name, pod in release.pods()} | {"stranger": STRANGER}
    assert {name for name, labels in pods.items() if allowed(release, labels, pods["qdrant"], 6335)} == {
        "qdrant"
    }


def test_what_the_release_has_of_its_own_is_reached_by_those_who_reach_others() -> None:
    inside = edges(render("values-kind.yaml"))
    between_pods = {edge for edge in ALLOWED if not set(edge) & set(OUTSIDE)}
    assert inside == between_pods | OWN


def test_the_world_reaches_what_people_are_to_reach() -> None:
    from_ingress = {edge for edge in edges(render("values-kind.yaml"), (INGRESS,)) if edge[0] == INGRESS}
    assert from_ingress == {(INGRESS, "keycloak", 8080), (INGRESS, "open-webui", 8080)}


def test_every_pod_is_under_the_rule_that_refuses(release: Release) -> None:
    (refusing,) = [
        item for item in release.of("NetworkPolicy") if item["metadata"]["name"] == f"{RELEASE}-default-deny"
    ]
    wanted = refusing["spec"]["podSelector"]["matchLabels"]
    for name, pod in release.pods():
        assert wanted.items() <= pod["metadata"]["labels"].items(), name


def test_monitoring_reads_metrics_when_it_is_named() -> None:
    release = render("values-eks-prod.yaml")
    for name in ("operator", "gateway", "file-sync", "n8n", "n8n-webhook", "n8n-worker", "qdrant"):
        rules = release.get("NetworkPolicy", name)["spec"]["ingress"]
        peers = [peer for rule in rules for peer in rule["from"] if "namespaceSelector" in peer]
        assert peers == [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
        ]


def test_monitoring_reads_nothing_of_jobs() -> None:
    release = render("values-eks-prod.yaml")
    for name in (
        "n8n-install",
        "n8n-initial-scale",
        "open-webui-install",
        "open-webui-migrate",
        "file-sync-grants",
    ):
        assert not release.get("NetworkPolicy", name)["spec"]["ingress"]
