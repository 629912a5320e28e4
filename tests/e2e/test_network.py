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
    own = {source, get_service_name(source)}
    assert set(json.loads(reached)) - own == ALLOWED[source] | {
        get_service_name(name) for name in ALLOWED[source]
    }


def get_service_name(workload: str) -> str:
    """Return the name of the target that is a workload's Service."""
    return f"service {workload}"


def _get_pod_name(installation: Installation, source: str) -> str:
    if source in ("gateway", "operator", "file-sync", "open-webui"):
        return f"deployment/{installation.get_workload_name(source)}"
    return get_client_pod_name(source)


def _list_targets(installation: Installation) -> list[tuple[str, str, int]]:
    """Return name, address and port of a pod and of the Service of each workload, and of the API server."""
    cluster = installation.cluster
    services = {item["metadata"]["name"]: item["spec"]["clusterIP"] for item in cluster.list("services")}
    targets = []
    for name, port in PORTS.items():
        standin = name in ("aws", "bedrock")
        release = "standins" if standin else installation.release
        targets.append((name, cluster.list_pods(release, name)[0]["status"]["podIP"], port))
        if address := services.get(name if standin else installation.get_workload_name(name)):
            targets.append((get_service_name(name), address, port))
    (api,) = cluster.list(
        "endpointslices", "--namespace=default", "-l", "kubernetes.io/service-name=kubernetes"
    )
    targets.append((get_service_name("kubernetes"), *installation.get_api_service()))
    targets.append(("kubernetes", api["endpoints"][0]["addresses"][0], api["ports"][0]["port"]))
    return targets
