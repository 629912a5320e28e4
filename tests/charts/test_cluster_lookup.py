"""Tests of templates that look up objects in the cluster: helm installs releases in a real API server."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tenantry_local.parts.kubernetes import get_kubeconfig
from tenantry_local.platform import Platform

from tests.support.backends.api_server import create_namespace
from tests.support.charts.rendering import RELEASE, HelmError, run_helm
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
    cluster.upgrade(release=f"{name}2")
    assert cluster.run_helm("list", "--short").split() == [f"{name}1", f"{name}2"]
