"""Tests of the Qdrant cluster: storage, scaling, TLS and clients."""

from typing import Any

import pytest
from tenancy.qdrant_server import is_supported_version

from tests.support.charts.rendering import PROFILES, HelmError, Release, render

PROFILE = "values-eks-prod.yaml"
SECRET = "qdrant-tls"
CLIENTS = {"gateway": "GATEWAY", "operator": "OPERATOR"}
"""Clients of Qdrant and the prefixes of their variables."""


@pytest.fixture(scope="module")
def release() -> Release:
    """The chart with the production profile."""
    return render(PROFILE)


@pytest.fixture(scope="module")
def release_with_tls() -> Release:
    """The production profile with a certificate for Qdrant."""
    return render(PROFILE, "--set", f"global.qdrant.tlsSecret={SECRET}")


def get_container(release: Release, kind: str = "StatefulSet", name: str = "qdrant") -> dict[str, Any]:
    """Return the container of Qdrant or of another workload."""
    (found,) = release.get(kind, name)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def get_env(release: Release, kind: str = "StatefulSet", name: str = "qdrant") -> dict[str, Any]:
    """Return the variables of the container of Qdrant or of another workload."""
    return {
        entry["name"]: entry.get("value", entry.get("valueFrom"))
        for entry in get_container(release, kind, name)["env"]
    }


def list_read_keys(release: Release, kind: str, name: str) -> set[str]:
    """Return the keys of the certificate's Secret that a workload mounts."""
    volumes = release.get(kind, name)["spec"]["template"]["spec"]["volumes"]
    secrets = [volume["secret"] for volume in volumes if "secret" in volume]
    return {item["key"] for secret in secrets if secret["secretName"] == SECRET for item in secret["items"]}


def test_the_pinned_version_keeps_the_words_of_tenants_apart(release: Release) -> None:
    tag = get_container(release)["image"].partition("@")[0].rpartition(":")[2]
    assert is_supported_version(tag), f"gateway and operator refuse Qdrant {tag}"


def test_resources_are_those_of_the_aws_architecture(release: Release) -> None:
    assert get_container(release)["resources"]["requests"] == {"cpu": "2", "memory": "8Gi"}
    (claim,) = release.get("StatefulSet", "qdrant")["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "gp3"
    assert claim["spec"]["resources"] == {"requests": {"storage": "100Gi"}}


def test_the_autoscaler_adds_peers_and_never_removes_a_peer(release: Release) -> None:
    spec = release.get("HorizontalPodAutoscaler", "qdrant")["spec"]
    assert spec["scaleTargetRef"]["kind"] == "StatefulSet"
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 5)
    assert spec["behavior"]["scaleDown"] == {"selectPolicy": "Disabled"}


@pytest.mark.parametrize(
    ("request_", "percentage", "expected"),
    [("8Gi", 80, 6871947674), ("2Gi", 50, 1073741824), ("1500M", 80, 1200000000), ("512Mi", 100, 536870912)],
)
def test_the_autoscaler_leaves_out_mapped_files(request_: str, percentage: int, expected: int) -> None:
    options = (
        f"qdrant.resources.requests.memory={request_},"
        f"qdrant.autoscaling.targetMemoryUtilizationPercentage={percentage}"
    )
    spec = render(PROFILE, "--set", options).get("HorizontalPodAutoscaler", "qdrant")["spec"]
    target = {"type": "AverageValue", "averageValue": str(expected)}
    metric = {"metric": {"name": "container_memory_rss"}, "target": target}
    assert spec["metrics"] == [{"type": "Pods", "pods": metric}]


def test_metrics_server_can_scale_qdrant_by_its_working_set() -> None:
    release = render(PROFILE, "--set", "qdrant.autoscaling.source=metrics-server")
    spec = release.get("HorizontalPodAutoscaler", "qdrant")["spec"]
    target = {"type": "Utilization", "averageUtilization": 80}
    assert spec["metrics"] == [{"type": "Resource", "resource": {"name": "memory", "target": target}}]
    with pytest.raises(HelmError, match="/qdrant/autoscaling/source"):
        render(PROFILE, "--set", "qdrant.autoscaling.source=keda")


def test_volumes_are_kept_when_peers_or_the_release_are_removed(release: Release) -> None:
    spec = release.get("StatefulSet", "qdrant")["spec"]
    assert set(spec["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}


def test_peers_have_dns_names_before_they_are_ready(release: Release) -> None:
    service = release.get("Service", "qdrant-peers")
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"]
    assert release.get("StatefulSet", "qdrant")["spec"]["serviceName"] == service["metadata"]["name"]
    (script,) = get_container(release)["args"]
    assert "first=http://demo-qdrant-0.demo-qdrant-peers:6335" in script


def test_new_collections_have_two_replicas_if_there_are_two_peers(release: Release) -> None:
    assert get_env(release)["QDRANT__STORAGE__COLLECTION__REPLICATION_FACTOR"] == "2"
    assert get_env(render("values-kind.yaml"))["QDRANT__STORAGE__COLLECTION__REPLICATION_FACTOR"] == "1"


def test_api_keys_are_required_and_telemetry_is_disabled(release: Release) -> None:
    given = get_env(release)
    assert given["QDRANT__SERVICE__API_KEY"]["secretKeyRef"]["key"] == "api-key"
    assert given["QDRANT__SERVICE__READ_ONLY_API_KEY"]["secretKeyRef"]["key"] == "read-only-api-key"
    assert (given["QDRANT__SERVICE__JWT_RBAC"], given["QDRANT__TELEMETRY_DISABLED"]) == ("true", "true")


@pytest.mark.parametrize("profile", PROFILES)
def test_without_a_certificate_all_clients_use_http(profile: str) -> None:
    release = render(profile)
    assert not [name for name in get_env(release) if "TLS" in name]
    for service, prefix in CLIENTS.items():
        given = get_env(release, "Deployment", service)
        assert given[f"{prefix}_QDRANT_URL"] == "http://demo-qdrant:6333"
        assert f"{prefix}_QDRANT_CA_FILE" not in given


def test_with_a_certificate_peers_and_clients_use_tls(release_with_tls: Release) -> None:
    given = get_env(release_with_tls)
    assert given["QDRANT__CLUSTER__P2P__ENABLE_TLS"] == given["QDRANT__SERVICE__ENABLE_TLS"] == "true"
    (script,) = get_container(release_with_tls)["args"]
    assert script.count("https://") == script.count("://") == 2  # the URIs of this peer and of the first peer
    mounted = {mount["mountPath"] for mount in get_container(release_with_tls)["volumeMounts"]}
    for name in ("CERT", "KEY", "CA_CERT"):
        assert given[f"QDRANT__TLS__{name}"].rpartition("/")[0] in mounted
    assert list_read_keys(release_with_tls, "StatefulSet", "qdrant") == {"tls.crt", "tls.key", "ca.crt"}


def test_probes_use_the_scheme_of_the_server(release: Release, release_with_tls: Release) -> None:
    for rendered, scheme in ((release, "HTTP"), (release_with_tls, "HTTPS")):
        probes = {name: value for name, value in get_container(rendered).items() if name.endswith("Probe")}
        assert {probe["httpGet"]["scheme"] for probe in probes.values()} == {scheme}
        assert len(probes) == len(("startup", "liveness", "readiness"))


@pytest.mark.parametrize("service", CLIENTS)
def test_clients_mount_the_ca_and_no_private_key(release_with_tls: Release, service: str) -> None:
    given = get_env(release_with_tls, "Deployment", service)
    assert given[f"{CLIENTS[service]}_QDRANT_URL"] == "https://demo-qdrant:6333"
    folder, _, file = given[f"{CLIENTS[service]}_QDRANT_CA_FILE"].rpartition("/")
    (mount,) = (
        each
        for each in get_container(release_with_tls, "Deployment", service)["volumeMounts"]
        if each["mountPath"] == folder
    )
    assert mount["readOnly"]
    assert list_read_keys(release_with_tls, "Deployment", service) == {file} == {"ca.crt"}


def test_only_qdrant_and_its_clients_mount_the_certificate(release_with_tls: Release) -> None:
    readers = {
        name
        for name, pod in release_with_tls.iter_pods()
        for volume in pod["spec"].get("volumes", [])
        if volume.get("secret", {}).get("secretName") == SECRET
    }
    assert readers == {"qdrant", "qdrant-snapshots", "smoke-test", *CLIENTS}


def test_an_external_qdrant_may_have_a_private_ca() -> None:
    outside = (
        f"qdrant.enabled=false,global.qdrant.url=https://qdrant.example.com,global.qdrant.tlsSecret={SECRET},"
        "global.network.qdrant.cidrs={10.0.30.0/24}"
    )
    release = render(PROFILE, "--set", outside)
    for service, prefix in CLIENTS.items():
        given = get_env(release, "Deployment", service)
        assert given[f"{prefix}_QDRANT_URL"] == "https://qdrant.example.com"
        assert given[f"{prefix}_QDRANT_CA_FILE"].endswith("/ca.crt")
        assert list_read_keys(release, "Deployment", service) == {"ca.crt"}


def test_with_an_external_qdrant_the_chart_deploys_no_qdrant() -> None:
    release = render(
        PROFILE,
        "--set",
        "qdrant.enabled=false,global.qdrant.url=https://qdrant.example.com,"
        "global.network.qdrant.cidrs={10.0.30.0/24}",
    )
    assert not [item for item in release.objects if "demo-qdrant" in item["metadata"]["name"]]
    with pytest.raises(HelmError, match=r"global\.qdrant\.url is empty"):
        render(PROFILE, "--set", "qdrant.enabled=false")


@pytest.mark.parametrize("profile", PROFILES)
def test_the_image_is_unprivileged(profile: str) -> None:
    assert get_container(render(profile))["image"].partition("@")[0].endswith("-unprivileged")
