"""Connections tried out of real pods: those that are needed come about, and no others.

The rendered policies' whole table is in tests/charts/test_network.py. Here is whether a cluster keeps them.
"""

import json

import pytest

from .inside import REACH
from .installation import Installation, asker

PORTS = {
    "qdrant": 6333, "redis": 6379, "postgres": 5432, "keycloak": 8080,
    "gateway": 8080, "file-sync": 8080, "open-webui": 8080, "operator": 8081,
    "n8n": 5678, "n8n-webhook": 5678,
    "aws": 4566, "bedrock": 4566,
}  # fmt: skip

REACHED = {
    "gateway": {"qdrant", "redis", "keycloak", "aws", "bedrock", "kubernetes"},
    "operator": {"qdrant", "redis", "keycloak", "open-webui", "aws", "bedrock", "kubernetes"},
    "file-sync": {"gateway", "n8n-webhook", "postgres", "keycloak", "aws", "bedrock", "kubernetes"},
    "n8n-worker": {"gateway", "postgres", "redis"},
    "n8n-install": {"n8n", "n8n-webhook"},
    "open-webui": {"gateway", "n8n-webhook", "file-sync", "postgres", "redis", "keycloak", "aws", "bedrock"},
    # In kind anybody may be the load balancer. Nothing of ours rules what a stranger may do elsewhere.
    "stranger": {"keycloak", "open-webui", "aws", "bedrock", "kubernetes"},
}


@pytest.mark.parametrize("source", REACHED)
def test_a_pod_reaches_what_it_needs_and_nothing_else(installation: Installation, source: str) -> None:
    found = installation.cluster.run(
        _pod(installation, source), REACH, stdin=json.dumps(_places(installation))
    )
    assert set(json.loads(found)) - {source} == REACHED[source]


def _pod(installation: Installation, source: str) -> str:
    if source in ("gateway", "operator", "file-sync", "open-webui"):
        return f"deployment/{installation.name(source)}"
    return asker(source)


def _places(installation: Installation) -> list[tuple[str, str, int]]:
    """Return a pod of each workload: where a rule is about is a pod, whatever address leads there."""
    cluster = installation.cluster
    places = []
    for name, port in PORTS.items():
        release = "standins" if name in ("aws", "bedrock") else installation.release
        places.append((name, cluster.pods(release, name)[0]["status"]["podIP"], port))
    (api,) = cluster.list(
        "endpointslices", "--namespace=default", "-l", "kubernetes.io/service-name=kubernetes"
    )
    places.append(("kubernetes", api["endpoints"][0]["addresses"][0], api["ports"][0]["port"]))
    return places
