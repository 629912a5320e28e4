"""Tests of connections from real pods: a cluster allows only the needed connections.

tests/charts/test_network.py evaluates all rendered policies; these tests check their enforcement.
"""

import json

import pytest

from .installation import Installation, get_client_pod_name
from .pod_scripts import REACH

PORTS = {
    "qdrant": 6333, "redis": 6379, "postgres": 5432, "keycloak": 8080,
    "gateway": 8080, "file-sync": 8080, "open-webui": 8080, "operator": 8081,
    "n8n": 5678, "n8n-webhook": 5678,
    "aws": 4566, "bedrock": 4566,
}  # fmt: skip

ALLOWED = {
    "gateway": {"qdrant", "redis", "keycloak", "aws", "bedrock", "kubernetes"},
    "operator": {"qdrant", "redis", "keycloak", "open-webui", "aws", "bedrock", "kubernetes"},
    "file-sync": {"gateway", "n8n-webhook", "postgres", "keycloak", "aws", "bedrock", "kubernetes"},
    "n8n-worker": {"gateway", "postgres", "redis"},
    "n8n-install": {"n8n", "n8n-webhook"},
    "open-webui": {"gateway", "n8n-webhook", "file-sync", "postgres", "redis", "keycloak", "aws", "bedrock"},
    # In kind any pod may be the load balancer. The chart's policies do not restrict a foreign pod elsewhere.
    "foreign": {"keycloak", "open-webui", "aws", "bedrock", "kubernetes"},
}


@pytest.mark.parametrize("source", ALLOWED)
def test_a_pod_reaches_exactly_the_allowed_targets(installation: Installation, source: str) -> None:
    reached = installation.cluster.run(
        _get_pod_name(installation, source), REACH, stdin=json.dumps(_list_targets(installation))
    )
    assert set(json.loads(reached)) - {source} == ALLOWED[source]


def _get_pod_name(installation: Installation, source: str) -> str:
    if source in ("gateway", "operator", "file-sync", "open-webui"):
        return f"deployment/{installation.get_workload_name(source)}"
    return get_client_pod_name(source)


def _list_targets(installation: Installation) -> list[tuple[str, str, int]]:
    """Return name, address and port of a pod of each workload; network policies apply to pods."""
    cluster = installation.cluster
    targets = []
    for name, port in PORTS.items():
        release = "standins" if name in ("aws", "bedrock") else installation.release
        targets.append((name, cluster.list_pods(release, name)[0]["status"]["podIP"], port))
    (api,) = cluster.list(
        "endpointslices", "--namespace=default", "-l", "kubernetes.io/service-name=kubernetes"
    )
    targets.append(("kubernetes", api["endpoints"][0]["addresses"][0], api["ports"][0]["port"]))
    return targets
