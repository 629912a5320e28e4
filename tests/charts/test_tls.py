"""Tests of TLS to Postgres and Redis in the chart: every program verifies the certificates."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.charts.rendering import PROFILES, HelmError, Release, render

KIND = "values-kind.yaml"
EXTERNAL = [profile for profile in PROFILES if profile != KIND]
POSTGRES_CA, REDIS_CA = "/etc/tenantry/postgres/ca.crt", "/etc/tenantry/redis/ca.crt"

PRIVATE = "global.postgres.tls.caConfigMap=of-postgres,global.redis.tls.caConfigMap=of-redis"
"""Private authorities for both."""

N8N = ("n8n", "n8n-webhook", "n8n-worker")
OPEN_WEBUI = ("open-webui", "open-webui-migrate")

POSTGRES_VARIABLES: dict[tuple[str, ...], dict[str, str]] = {
    ("file-sync",): {"FILE_SYNC_DATABASE_CA_FILE": POSTGRES_CA},
    ("databases-install",): {"DATABASES_INSTALL_CA_FILE": POSTGRES_CA},
    ("file-sync-grants",): {"FILE_SYNC_GRANTS_DATABASE_CA_FILE": POSTGRES_CA},
    OPEN_WEBUI: {"TENANTRY_DATABASE_CA_FILE": POSTGRES_CA},
    N8N: {
        "DB_POSTGRESDB_SSL_ENABLED": "true",
        "DB_POSTGRESDB_SSL_REJECT_UNAUTHORIZED": "true",
        "DB_POSTGRESDB_SSL_CA_FILE": POSTGRES_CA,
    },
}
"""Variables with which a workload verifies the certificate of Postgres."""

REDIS_VARIABLES: dict[tuple[str, ...], dict[str, str]] = {
    ("gateway",): {"GATEWAY_REDIS_TLS": "true"},
    ("operator",): {"OPERATOR_REDIS_TLS": "true"},
    OPEN_WEBUI: {"TENANTRY_REDIS_TLS": "true"},
    N8N: {"QUEUE_BULL_REDIS_TLS": "true", "QUEUE_BULL_REDIS_TLS_VALIDATE_CERTIFICATE": "true"},
}
"""Variables with which a workload verifies the certificate of Redis."""

REDIS_CA_VARIABLES: dict[tuple[str, ...], str] = {
    ("gateway",): "GATEWAY_REDIS_CA_FILE",
    ("operator",): "OPERATOR_REDIS_CA_FILE",
    OPEN_WEBUI: "TENANTRY_REDIS_CA_FILE",
    N8N: "NODE_EXTRA_CA_CERTS",
}


def iter_containers(release: Release, workload: str) -> Iterator[dict[str, Any]]:
    """Yield all containers of a workload, init containers included."""
    spec = dict(release.iter_pods())[workload]["spec"]
    yield from spec["containers"] + spec.get("initContainers", [])


def get_variables(container: dict[str, Any]) -> dict[str, str]:
    """Return the variables of a container that are no secrets."""
    return {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}


def list_ca_files(release: Release, workload: str) -> dict[str, tuple[str, str]]:
    """Return the ConfigMap and key behind each CA file in a workload's containers."""
    spec = dict(release.iter_pods())[workload]["spec"]
    maps = {volume["name"]: volume["configMap"] for volume in spec["volumes"] if "configMap" in volume}
    return {
        f"{mount['mountPath']}/{item['path']}": (maps[mount["name"]]["name"], item["key"])
        for container in iter_containers(release, workload)
        for mount in container["volumeMounts"]
        if mount["name"] in maps
        for item in maps[mount["name"]].get("items", [])
    }


@pytest.mark.parametrize("profile", EXTERNAL)
@pytest.mark.parametrize("expected", [POSTGRES_VARIABLES, REDIS_VARIABLES], ids=["postgres", "redis"])
def test_every_program_verifies_an_external_store(
    profile: str, expected: dict[tuple[str, ...], dict[str, str]]
) -> None:
    release = render(profile)
    for workloads, variables in expected.items():
        for workload in workloads:
            for container in iter_containers(release, workload):
                assert variables.items() <= get_variables(container).items(), workload


@pytest.mark.parametrize("profile", EXTERNAL)
def test_every_program_reads_the_ca_from_the_config_map(profile: str) -> None:
    release = render(profile, "--set", PRIVATE)
    for workloads in POSTGRES_VARIABLES:
        for workload in workloads:
            assert list_ca_files(release, workload)[POSTGRES_CA] == ("of-postgres", "ca.crt")
    for workloads, variable in REDIS_CA_VARIABLES.items():
        for workload in workloads:
            assert list_ca_files(release, workload)[REDIS_CA] == ("of-redis", "ca.crt")
            for container in iter_containers(release, workload):
                assert get_variables(container)[variable] == REDIS_CA


def test_a_public_ca_of_redis_needs_no_config_map() -> None:
    release = render("values-eks-prod.yaml")
    for workloads, variable in REDIS_CA_VARIABLES.items():
        for workload in workloads:
            assert REDIS_CA not in list_ca_files(release, workload)
            for container in iter_containers(release, workload):
                assert variable not in get_variables(container)


def test_every_workload_with_a_connection_is_checked_here() -> None:
    release = render("values-eks-prod.yaml", "--set", "n8n.worker.autoscaling.source=keda")
    ports = {5432: set[str](), 6379: set[str]()}
    for policy in release.list_objects("NetworkPolicy"):
        for rule in policy["spec"].get("egress", []):
            for port in rule.get("ports", []):
                if port["port"] in ports:
                    ports[port["port"]].add(policy["metadata"]["labels"]["app.kubernetes.io/name"])
    assert ports[5432] == {workload for workloads in POSTGRES_VARIABLES for workload in workloads}
    # The migration reads Redis' variables too, but does not connect.
    assert ports[6379] == {workload for workloads in REDIS_VARIABLES for workload in workloads} - {
        "open-webui-migrate"
    }


def test_keda_verifies_the_certificate_of_redis() -> None:
    keda = "n8n.worker.autoscaling.source=keda"
    release = render("values-eks-prod.yaml", "--set", keda)
    (trigger,) = release.get("ScaledObject", "n8n-worker")["spec"]["triggers"]
    assert {"enableTLS": "true", "unsafeSsl": "false"}.items() <= trigger["metadata"].items()
    assert "configMapTargetRef" not in release.get("TriggerAuthentication", "n8n-worker")["spec"]
    private = render("values-eks-prod.yaml", "--set", f"{keda},{PRIVATE}")
    given = private.get("TriggerAuthentication", "n8n-worker")["spec"]
    assert given["configMapTargetRef"] == [{"parameter": "ca", "name": "of-redis", "key": "ca.crt"}]
    included = render(KIND, "--set", f"{keda},global.network.kedaNamespace=keda")
    (trigger,) = included.get("ScaledObject", "n8n-worker")["spec"]["triggers"]
    assert trigger["metadata"]["enableTLS"] == "false"


def test_the_included_keycloak_verifies_an_external_postgres() -> None:
    options = "keycloak.enabled=true,keycloak.postgres.host=db.example.com,global.keycloak.url="
    release = render(
        "values-eks-dev.yaml",
        "--set",
        options,
        "--set-json",
        'global.network.keycloak={"cidrs":[],"port":8080}',
    )
    (container,) = dict(release.iter_pods())["keycloak"]["spec"]["containers"]
    assert get_variables(container)["KC_DB_URL"] == (
        f"jdbc:postgresql://db.example.com:5432/keycloak?sslmode=verify-full&sslrootcert={POSTGRES_CA}"
    )
    assert list_ca_files(release, "keycloak")[POSTGRES_CA] == ("tenantry-postgres-ca", "ca.crt")


def test_programs_do_not_require_tls_of_the_included_databases() -> None:
    release = render(KIND)
    assert "/etc/tenantry/postgres" not in release.text
    for workloads in REDIS_VARIABLES:
        for workload in workloads:
            for container in iter_containers(release, workload):
                given = get_variables(container)
                assert not [name for name, value in given.items() if "TLS" in name and value == "true"]
                assert not [name for name in given if "SSL" in name]


@pytest.mark.parametrize(
    ("profile", "option", "path"),
    [
        (KIND, "global.postgres.tls.enabled=true", "global.postgres.tls.enabled"),
        (KIND, "global.redis.tls.enabled=true", "global.redis.tls.enabled"),
        ("values-eks-prod.yaml", "global.postgres.tls.caConfigMap=", "global.postgres.tls.caConfigMap"),
        ("values-eks-prod.yaml", "global.postgres.tls.mode=require", "additional properties 'mode'"),
    ],
)
def test_values_without_a_verified_connection_are_refused(profile: str, option: str, path: str) -> None:
    with pytest.raises(HelmError, match=path):
        render(profile, "--set", option)
