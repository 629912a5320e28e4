"""Tests of the servers outside the cluster, which only the profiles for EKS have."""

import json

import pytest
from tenantry_local.parts.postgres import Postgres

from .eks.endpoints import ADDRESSES
from .eks.installation import EksInstallation
from .eks.servers import MASTER_USER
from .installation import Installation, get_client_pod_name
from .pod_scripts import REACH

PORTS = {"postgres": 5432, "redis": 6379, "keycloak": 443, "aws": 443, "bedrock": 443, "pod-identity": 80}

INTERNET = {"keycloak", "aws", "bedrock"}
"""Servers on port 443 of any address: the profiles allow all of them together."""

ALLOWED = {
    "gateway": {"redis", "pod-identity", *INTERNET},
    "operator": {"redis", "pod-identity", *INTERNET},
    "file-sync": {"postgres", "pod-identity", *INTERNET},
    "open-webui": {"postgres", "redis", "pod-identity", *INTERNET},
    "n8n-worker": {"postgres", "redis"},
    "n8n-install": set(),
}


@pytest.fixture
def eks_installation(installation: Installation) -> EksInstallation:
    """The installed chart with a profile for EKS."""
    if not isinstance(installation, EksInstallation):
        pytest.skip("the profile for kind has these servers in the cluster")
    return installation


@pytest.mark.parametrize("source", ALLOWED)
def test_a_pod_reaches_exactly_the_allowed_servers(eks_installation: EksInstallation, source: str) -> None:
    targets = [(name, ADDRESSES[name], port) for name, port in PORTS.items()]
    pod = (
        get_client_pod_name(source)
        if source.startswith("n8n")
        else f"deployment/{eks_installation.get_workload_name(source)}"
    )
    reached = eks_installation.cluster.run(pod, REACH, stdin=json.dumps(targets))
    assert set(json.loads(reached)) == ALLOWED[source]


def test_a_role_without_the_rights_of_a_superuser_has_made_the_databases(
    eks_installation: EksInstallation,
) -> None:
    postgres = Postgres(eks_installation.servers.context)
    databases = (
        "select datname || ':' || datdba::regrole from pg_database where datname in ('n8n', 'openwebui')"
    )
    assert set(postgres.run(databases).split()) == {"n8n:n8n", "openwebui:openwebui"}
    superusers = postgres.run("select rolname from pg_roles where rolsuper").split()
    assert superusers == ["postgres"]
    assert MASTER_USER not in superusers
