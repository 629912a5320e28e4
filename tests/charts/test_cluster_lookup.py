"""Tests of templates that look up objects in the cluster: helm installs releases in a real API server."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest
from tenantry_local.parts.kubernetes import get_kubeconfig, run_kubectl
from tenantry_local.platform import Platform

from tests.support.backends.api_server import apply, create_namespace
from tests.support.charts.rendering import RELEASE, HelmError, Object, render, run_helm
from tests.support.charts.secrets import list_pod_secrets, list_read_secrets
from tests.support.charts.third_party import install_third_party_resources
from tools.chart_schema import CHART

PROFILE = CHART / "values-kind.yaml"


@dataclass(frozen=True)
class LookupCluster:
    """A namespace for releases.

    Parameters
    ----------
    platform
        The platform with the API server. It runs no pods.
    namespace
        Name of the namespace.
    """

    platform: Platform
    namespace: str

    def upgrade(self, *options: str, release: str = RELEASE) -> None:
        """Install or upgrade a release."""
        self.run_helm(
            "upgrade", "--install", release, str(CHART), "-f", str(PROFILE), "--no-hooks",
            "--set", "crds.install=false", *options,  # the platform has the CRDs
        )  # fmt: skip

    def run_helm(self, *arguments: str) -> str:
        """Run helm with the rights of an administrator."""
        kubeconfig = get_kubeconfig(self.platform.context, "admin")
        return run_helm(*arguments, "-n", self.namespace, f"--kubeconfig={kubeconfig}")

    def write_secrets(self, names: Iterable[str], value: str) -> None:
        """Write Secrets with one value."""
        apply(
            self.platform,
            [
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {"name": name, "namespace": self.namespace},
                    "stringData": {"password": value},
                }
                for name in names
            ],
        )

    def remove_release(self) -> None:
        """Uninstall the release."""
        self.run_helm("uninstall", RELEASE, "--no-hooks")

    def set_replicas(self, kind: str, replicas: int, name: str = "gateway") -> None:
        """Set the number of pods of a workload, as an autoscaler does."""
        patch = json.dumps({"spec": {"replicas": replicas}})
        self._run_kubectl("patch", kind, f"{RELEASE}-{name}", "--type=merge", "-p", patch)

    def get_replicas(self, kind: str, name: str = "gateway") -> int:
        """Return the number of pods of a workload."""
        return int(self._run_kubectl("get", kind, f"{RELEASE}-{name}", "-o=jsonpath={.spec.replicas}"))

    def _run_kubectl(self, *arguments: str) -> str:
        return run_kubectl(self.platform.context, *arguments, "-n", self.namespace)

    def get_pods(self) -> dict[str, Object]:
        """Return the pod template of each Deployment and StatefulSet."""
        found = run_kubectl(
            self.platform.context, "get", "deployments,statefulsets", "-n", self.namespace, "-o", "json"
        )
        return {item["metadata"]["name"]: item["spec"]["template"] for item in json.loads(found)["items"]}


@pytest.fixture
def cluster(platform: Platform) -> Iterator[LookupCluster]:
    """An empty namespace; its releases are uninstalled at the end."""
    with create_namespace(platform, "lookup") as namespace:
        created = LookupCluster(platform, namespace)
        yield created
        for release in created.run_helm("list", "--short").split():
            created.run_helm("uninstall", release, "--no-hooks")


def test_an_upgrade_that_renames_a_stateful_set_is_refused(cluster: LookupCluster) -> None:
    cluster.upgrade()
    with pytest.raises(
        HelmError, match=r"renames StatefulSet demo-(qdrant|postgres|redis) to chat-"
    ) as refusal:
        cluster.upgrade("--set", "global.fullnameOverride=chat")
    assert "restore global.fullnameOverride" in str(refusal.value)
    cluster.upgrade()


def test_two_releases_with_long_names_share_a_namespace(cluster: LookupCluster) -> None:
    name = "customer-support-assistant-for-the-north-american-td"
    cluster.upgrade(release=f"{name}1")
    cluster.upgrade("--set", "global.tenantClass=second", release=f"{name}2")
    assert cluster.run_helm("list", "--short").split() == [f"{name}1", f"{name}2"]


GRADUAL = (
    "--set", "global.rollouts.enabled=true,global.rollouts.prometheusUrl=http://prometheus:9090",
    "--set", "global.network.monitoringNamespace=monitoring",
)  # fmt: skip


def test_a_rollout_begins_and_continues_with_the_number_of_pods_that_the_autoscaler_set(
    platform: Platform, cluster: LookupCluster
) -> None:
    with install_third_party_resources(platform):
        cluster.upgrade()
        cluster.set_replicas("deployment", 7)
        cluster.upgrade(*GRADUAL)
        assert cluster.get_replicas("rollouts.argoproj.io") == 7
        assert cluster.get_replicas("deployment") == 7  # Argo scales it down when the Rollout is healthy
        cluster.set_replicas("rollouts.argoproj.io", 9)
        cluster.set_replicas("deployment", 0)
        cluster.upgrade(*GRADUAL, "--set", "global.drainSeconds=11")
        assert cluster.get_replicas("rollouts.argoproj.io") == 9
        assert cluster.get_replicas("deployment") == 0
        cluster.remove_release()


def test_the_end_of_gradual_rollouts_is_refused_while_the_deployment_has_no_pods(
    platform: Platform, cluster: LookupCluster
) -> None:
    with install_third_party_resources(platform):
        cluster.upgrade(*GRADUAL)
        for name in ("gateway", "open-webui"):
            cluster.set_replicas("deployment", 0, name)
        with pytest.raises(
            HelmError, match=r"global\.rollouts\.enabled is false, but the pods of"
        ) as refusal:
            cluster.upgrade()
        command = f"kubectl scale deployment {RELEASE}-gateway -n {cluster.namespace} --replicas="
        assert command in " ".join(str(refusal.value).split())
        for name in ("gateway", "open-webui"):
            cluster.set_replicas("deployment", 2, name)
        cluster.upgrade()
        assert cluster.get_replicas("deployment") == 2
        cluster.remove_release()


@pytest.fixture
def other_cluster(cluster: LookupCluster) -> Iterator[LookupCluster]:
    """A second namespace in the same cluster, for another release."""
    with create_namespace(cluster.platform, "lookup-other") as namespace:
        created = LookupCluster(cluster.platform, namespace)
        yield created
        for release in created.run_helm("list", "--short").split():
            created.run_helm("uninstall", release, "--no-hooks")


def test_a_second_release_with_the_same_class_is_refused(
    cluster: LookupCluster, other_cluster: LookupCluster
) -> None:
    cluster.upgrade()
    with pytest.raises(HelmError) as refusal:
        other_cluster.upgrade(release="second")
    message = " ".join(str(refusal.value).split())
    assert (
        f"the release {RELEASE} in the namespace {cluster.namespace} already serves the Tenants of the class "
        '"default"'
    ) in message
    assert "Set global.tenantClass" in message
    cluster.upgrade()


def test_a_second_release_with_another_class_is_installed(
    cluster: LookupCluster, other_cluster: LookupCluster
) -> None:
    cluster.upgrade()
    other_cluster.upgrade("--set", "global.tenantClass=staging", release="second")
    cluster.upgrade()
    other_cluster.upgrade("--set", "global.tenantClass=staging", release="second")
    with pytest.raises(HelmError, match='the class "default"'):
        other_cluster.upgrade(release="second")
    with pytest.raises(HelmError, match='the class "staging"'):
        cluster.upgrade("--set", "global.tenantClass=staging")
    cluster.run_helm("uninstall", RELEASE, "--no-hooks")
    other_cluster.upgrade(release="second")  # the class is free again


def test_a_release_whose_namespace_was_deleted_occupies_no_class(cluster: LookupCluster) -> None:
    """Its ClusterRoles remain, because they have no namespace."""
    with create_namespace(cluster.platform, "lookup-deleted") as deleted:
        LookupCluster(cluster.platform, deleted).upgrade(release="second")
    run_kubectl(cluster.platform.context, "wait", "--for=delete", f"namespace/{deleted}", "--timeout=60s")
    roles = run_kubectl(cluster.platform.context, "get", "clusterroles", "-o", "name")
    assert f"/{deleted}-second-operator" in roles
    try:
        cluster.upgrade()
    finally:
        run_kubectl(
            cluster.platform.context, "delete", "clusterroles,clusterrolebindings,priorityclasses",
            "-l", "app.kubernetes.io/instance=second",
        )  # fmt: skip


def test_a_second_release_that_would_own_the_tenant_resource_is_refused(
    cluster: LookupCluster, other_cluster: LookupCluster
) -> None:
    own = ("--set", "crds.install=true", "--take-ownership", "--force-conflicts")
    try:
        cluster.upgrade(*own)
        other_class = ("--set", "global.tenantClass=staging")
        with pytest.raises(HelmError) as refusal:
            other_cluster.upgrade(*other_class, *own, release="second")
        message = " ".join(str(refusal.value).split())
        assert (
            f"the release {RELEASE} in the namespace {cluster.namespace} owns the Tenant resource" in message
        )
        assert "Set crds.install to false" in message
        cluster.upgrade(*own)
        other_cluster.upgrade(*other_class, release="second")
        cluster.run_helm("uninstall", RELEASE, "--no-hooks")
        other_cluster.upgrade(*other_class, *own, release="second")  # the owner is gone
    finally:
        cluster.platform.parts["kubernetes"].provision()  # restore the Tenant resource, which all tests share


WITH_TLS = ("--set", "global.qdrant.tlsSecret=qdrant-tls")


@pytest.mark.parametrize(
    "rotated", ["tenantry-gateway", "tenantry-n8n", "tenantry-ticket-keys", "qdrant-tls"]
)
def test_an_upgrade_restarts_only_the_readers_of_a_changed_secret(
    cluster: LookupCluster, rotated: str
) -> None:
    names = {name for name, _ in list_read_secrets(render(PROFILE.name, *WITH_TLS))}
    cluster.write_secrets(names, "before")
    cluster.upgrade(*WITH_TLS)
    before = cluster.get_pods()
    cluster.upgrade(*WITH_TLS)
    assert cluster.get_pods() == before
    cluster.write_secrets([rotated], "after")
    cluster.upgrade(*WITH_TLS)
    after = cluster.get_pods()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {
        name
        for name, pod in before.items()
        if rotated in {secret for secret, _ in list_pod_secrets(pod["spec"])}
    }


def test_every_secret_that_a_pod_reads_restarts_it_and_its_content_is_not_in_the_pod(
    cluster: LookupCluster,
) -> None:
    names = {name for name, _ in list_read_secrets(render(PROFILE.name, *WITH_TLS))}
    cluster.write_secrets(names, "hunter2")
    cluster.upgrade(*WITH_TLS)
    versions = {
        name: json.loads(
            run_kubectl(
                cluster.platform.context, "get", "secret", name, "-n", cluster.namespace, "-o", "json"
            )
        )["metadata"]["resourceVersion"]
        for name in names
    }
    for name, pod in cluster.get_pods().items():
        read = sorted({secret for secret, _ in list_pod_secrets(pod["spec"])})
        expected = ",".join(f"{secret}={versions[secret]}" for secret in read)
        assert pod["metadata"]["annotations"]["tenantry.io/secret-versions"] == expected, name


def test_without_a_cluster_pods_have_no_versions_of_secrets() -> None:
    for _, pod in render(PROFILE.name, *WITH_TLS).iter_pods():
        assert "tenantry.io/secret-versions" not in pod["metadata"].get("annotations", {})


def test_a_changed_realm_restarts_keycloak_only() -> None:
    plain, changed = (
        dict(render(PROFILE.name, *options).iter_pods()) for options in ((), ("--set", "keycloak.demo=false"))
    )
    assert plain["keycloak"]["metadata"] != changed["keycloak"]["metadata"]
    del plain["keycloak"], changed["keycloak"]
    assert plain == changed
