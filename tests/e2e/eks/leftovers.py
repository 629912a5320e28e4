"""Removal of a release's remains from the cluster, so that the next profile begins with an empty one."""

import os
from pathlib import Path

from tests.support.backends.cluster import Cluster

__all__ = ["remove_leftovers"]

NAMESPACE = "tenantry"

DEFINITION = "tenants.tenantry.io"


def remove_leftovers(kubeconfig: Path) -> None:
    """Delete the namespace, the Tenants and their definition, without the operator."""
    os.environ["KUBECONFIG"] = str(kubeconfig)
    cluster = Cluster(NAMESPACE)
    cluster.run_kubectl("delete", "pods", "--all", "--force", "--grace-period=0")
    cluster.run_kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    if not cluster.list("crds", f"--field-selector=metadata.name={DEFINITION}"):
        return
    for tenant in cluster.list("tenants"):
        cluster.run_kubectl(
            "patch", "tenant", tenant["metadata"]["name"],
            "--type=merge", '--patch={"metadata": {"finalizers": null}}',
        )  # fmt: skip
    cluster.run_kubectl("annotate", "crd", DEFINITION, "tenantry.io/protect-")  # an uninstall keeps it
    cluster.run_kubectl("delete", "crd", DEFINITION)
