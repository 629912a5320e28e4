"""Qdrant is a cluster whose data is kept, that grows by itself and never shrinks by itself."""

from typing import Any

import pytest

from tests.support.charts import PROFILES, Refused, Release, render

PROFILE = "values-eks-prod.yaml"
SECRET = "qdrant-tls"
CLIENTS = {"gateway": "GATEWAY", "operator": "OPERATOR"}
"""Who talks to it, and what their variables begin with."""


@pytest.fixture(scope="module")
def release() -> Release:
    """The chart as it is for production."""
    return render(PROFILE)


@pytest.fixture(scope="module")
def encrypted() -> Release:
    """The same, with a certificate."""
    return render(PROFILE, "--set", f"global.qdrant.tlsSecret={SECRET}")


def container(release: Release, kind: str = "StatefulSet", name: str = "qdrant") -> dict[str, Any]:
    """Return Qdrant's container, or that of another workload."""
    (found,) = release.get(kind, name)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def env(release: Release, kind: str = "StatefulSet", name: str = "qdrant") -> dict[str, Any]:
    """Return its variables."""
    return {
        entry["name"]: entry.get("value", entry.get("valueFrom"))
        for entry in container(release, kind, name)["env"]
    }


def read_of(release: Release, kind: str, name: str) -> set[str]:
    """Return which of the certificate's files a workload reads."""
    volumes = release.get(kind, name)["spec"]["template"]["spec"]["volumes"]
    secrets = [volume["secret"] for volume in volumes if "secret" in volume]
    return {item["key"] for secret in secrets if secret["secretName"] == SECRET for item in secret["items"]}


def test_it_has_what_the_aws_document_gives_it(release: Release) -> None:
    assert container(release)["resources"]["requests"] == {"cpu": "2", "memory": "8Gi"}
    (claim,) = release.get("StatefulSet", "qdrant")["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "gp3"
    assert claim["spec"]["resources"] == {"requests": {"storage": "100Gi"}}


def test_peers_are_added_and_never_taken_away(release: Release) -> None:
    spec = release.get("HorizontalPodAutoscaler", "qdrant")["spec"]
    assert spec["scaleTargetRef"]["kind"] == "StatefulSet"
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 5)
    target = {"type": "Utilization", "averageUtilization": 80}
    assert spec["metrics"] == [{"type": "Resource", "resource": {"name": "memory", "target": target}}]
    assert spec["behavior"]["scaleDown"] == {"selectPolicy": "Disabled"}


def test_what_it_holds_outlives_peers_and_the_release(release: Release) -> None:
    spec = release.get("StatefulSet", "qdrant")["spec"]
    assert set(spec["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}


def test_the_others_join_the_first_under_names_that_are_known_before_they_are_ready(release: Release) -> None:
    service = release.get("Service", "qdrant-peers")
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"]
    assert release.get("StatefulSet", "qdrant")["spec"]["serviceName"] == service["metadata"]["name"]
    (script,) = container(release)["args"]
    assert "first=http://demo-qdrant-0.demo-qdrant-peers:6335" in script


def test_a_peer_may_go_and_nothing_is_missing(release: Release) -> None:
    assert env(release)["QDRANT__STORAGE__COLLECTION__REPLICATION_FACTOR"] == "2"
    assert env(render("values-kind.yaml"))["QDRANT__STORAGE__COLLECTION__REPLICATION_FACTOR"] == "1"


def test_it_lets_nobody_in_without_a_key_and_tells_nobody_of_itself(release: Release) -> None:
    given = env(release)
    assert given["QDRANT__SERVICE__API_KEY"]["secretKeyRef"]["key"] == "api-key"
    assert given["QDRANT__SERVICE__READ_ONLY_API_KEY"]["secretKeyRef"]["key"] == "read-only-api-key"
    assert (given["QDRANT__SERVICE__JWT_RBAC"], given["QDRANT__TELEMETRY_DISABLED"]) == ("true", "true")


@pytest.mark.parametrize("profile", PROFILES)
def test_without_a_certificate_it_is_plain_http_for_all(profile: str) -> None:
    release = render(profile)
    assert not [name for name in env(release) if "TLS" in name]
    for service, prefix in CLIENTS.items():
        given = env(release, "Deployment", service)
        assert given[f"{prefix}_QDRANT_URL"] == "http://demo-qdrant:6333"
        assert f"{prefix}_QDRANT_CA_FILE" not in given


def test_with_a_certificate_it_is_shown_to_peers_and_to_all_others(encrypted: Release) -> None:
    given = env(encrypted)
    assert given["QDRANT__CLUSTER__P2P__ENABLE_TLS"] == given["QDRANT__SERVICE__ENABLE_TLS"] == "true"
    (script,) = container(encrypted)["args"]
    assert script.count("https://") == script.count("://") == 2  # its own and the first one
    mounted = {mount["mountPath"] for mount in container(encrypted)["volumeMounts"]}
    for name in ("CERT", "KEY", "CA_CERT"):
        assert given[f"QDRANT__TLS__{name}"].rpartition("/")[0] in mounted
    assert read_of(encrypted, "StatefulSet", "qdrant") == {"tls.crt", "tls.key", "ca.crt"}


def test_the_kubelet_asks_in_the_language_that_is_spoken(release: Release, encrypted: Release) -> None:
    for rendered, scheme in ((release, "HTTP"), (encrypted, "HTTPS")):
        probes = {name: value for name, value in container(rendered).items() if name.endswith("Probe")}
        assert {probe["httpGet"]["scheme"] for probe in probes.values()} == {scheme}
        assert len(probes) == len(("startup", "liveness", "readiness"))


@pytest.mark.parametrize("service", CLIENTS)
def test_who_talks_to_it_has_its_authority_and_no_private_key(encrypted: Release, service: str) -> None:
    given = env(encrypted, "Deployment", service)
    assert given[f"{CLIENTS[service]}_QDRANT_URL"] == "https://demo-qdrant:6333"
    folder, _, file = given[f"{CLIENTS[service]}_QDRANT_CA_FILE"].rpartition("/")
    (mount,) = (
        each
        for each in container(encrypted, "Deployment", service)["volumeMounts"]
        if each["mountPath"] == folder
    )
    assert mount["readOnly"]
    assert read_of(encrypted, "Deployment", service) == {file} == {"ca.crt"}


def test_nobody_else_reads_anything_of_it(encrypted: Release) -> None:
    readers = {
        name
        for name, pod in encrypted.pods()
        for volume in pod["spec"].get("volumes", [])
        if volume.get("secret", {}).get("secretName") == SECRET
    }
    assert readers == {"qdrant", *CLIENTS}


def test_one_outside_may_have_a_private_authority_too() -> None:
    outside = (
        f"qdrant.enabled=false,global.qdrant.url=https://qdrant.example.com,global.qdrant.tlsSecret={SECRET}"
    )
    release = render(PROFILE, "--set", outside)
    for service, prefix in CLIENTS.items():
        given = env(release, "Deployment", service)
        assert given[f"{prefix}_QDRANT_URL"] == "https://qdrant.example.com"
        assert given[f"{prefix}_QDRANT_CA_FILE"].endswith("/ca.crt")
        assert read_of(release, "Deployment", service) == {"ca.crt"}


def test_where_there_is_another_there_is_none_here() -> None:
    release = render(
        PROFILE, "--set", "qdrant.enabled=false,global.qdrant.url=https://qdrant.example.com:6333"
    )
    assert not [item for item in release.objects if "demo-qdrant" in item["metadata"]["name"]]
    with pytest.raises(Refused, match="/global/qdrant/url"):
        render(PROFILE, "--set", "qdrant.enabled=false")


@pytest.mark.parametrize("profile", PROFILES)
def test_the_image_is_one_that_needs_no_root(profile: str) -> None:
    assert container(render(profile))["image"].partition("@")[0].endswith("-unprivileged")
