"""Qdrant is a cluster whose data is kept, that grows by itself and never shrinks by itself."""

from typing import Any

import pytest

from tests.support.charts import PROFILES, Refused, Release, render
from tests.support.secrets_of_charts import asked

PROFILE = "values-eks-prod.yaml"


@pytest.fixture(scope="module")
def release() -> Release:
    """The chart as it is for production."""
    return render(PROFILE)


def container(release: Release) -> dict[str, Any]:
    """Return Qdrant's container."""
    (found,) = release.get("StatefulSet", "qdrant")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def env(release: Release) -> dict[str, Any]:
    """Return Qdrant's variables."""
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container(release)["env"]}


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


def test_peers_talk_in_secret_once_they_have_a_certificate(release: Release) -> None:
    assert "QDRANT__CLUSTER__P2P__ENABLE_TLS" not in env(release)
    secret = "qdrant-peers"
    with_tls = render(PROFILE, "--set", f"qdrant.tls.existingSecret={secret}")
    given = env(with_tls)
    assert given["QDRANT__CLUSTER__P2P__ENABLE_TLS"] == "true"
    (script,) = container(with_tls)["args"]
    assert script.count("https://") == script.count("://") == 2  # its own and the first one
    mounted = {mount["mountPath"] for mount in container(with_tls)["volumeMounts"]}
    for name in ("CERT", "KEY", "CA_CERT"):
        assert given[f"QDRANT__TLS__{name}"].rpartition("/")[0] in mounted
    assert {key for name, key in asked(with_tls) if name == secret} == {"tls.crt", "tls.key", "ca.crt"}


def test_where_there_is_another_there_is_none_here() -> None:
    release = render(
        PROFILE, "--set", "qdrant.enabled=false,global.qdrant.url=https://qdrant.example.com:6333"
    )
    assert not [item for item in release.objects if "demo-qdrant" in item["metadata"]["name"]]
    with pytest.raises(Refused, match="/global/qdrant/url"):
        render(PROFILE, "--set", "qdrant.enabled=false")


@pytest.mark.parametrize("profile", PROFILES)
def test_the_image_is_one_that_needs_no_root(profile: str) -> None:
    assert container(render(profile))["image"].endswith("-unprivileged")
