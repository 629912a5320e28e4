"""Tests that an uninstall removes everything but the tenants and their data."""

import pytest
from tenantry_local.parts.aws import BUCKET, FILES_BUCKET, Aws
from tenantry_local.parts.postgres import Postgres

from tests.support.backends.cluster import wait_until_true

from .eks.installation import EksInstallation
from .installation import Installation

KINDS = (
    "deployments,statefulsets,replicasets,jobs,pods,services,configmaps,serviceaccounts,networkpolicies,"
    "poddisruptionbudgets,horizontalpodautoscalers,ingresses,roles,rolebindings,clusterroles,clusterrolebindings"
)


def test_an_uninstall_keeps_only_tenants_and_their_volumes(demo_installation: Installation) -> None:
    cluster = demo_installation.cluster
    own = f"app.kubernetes.io/instance={demo_installation.release},app.kubernetes.io/part-of=tenantry"
    assert cluster.list(KINDS, "-l", own)
    cluster.run_helm("uninstall", demo_installation.release, "--wait", "--timeout=5m")
    # Helm does not remove the pod of `helm test`, see docs/how-to/upgrade.md.
    cluster.run_kubectl(
        "delete", "pod", demo_installation.get_workload_name("smoke-test"), "--ignore-not-found"
    )
    wait_until_true(lambda: not cluster.list(KINDS, "-l", own), "nothing of the release is left", seconds=180)
    assert {item["metadata"]["name"] for item in cluster.list("tenants")} >= {"tenanta", "tenantb"}
    assert cluster.list(
        "persistentvolumeclaims", "-l", f"app.kubernetes.io/instance={demo_installation.release}"
    )


def test_an_uninstall_keeps_documents_and_databases_outside(prepared_installation: Installation) -> None:
    if not isinstance(prepared_installation, EksInstallation):
        pytest.skip("the profile for kind has no servers outside the cluster")
    context = prepared_installation.servers.context
    for bucket in (BUCKET, FILES_BUCKET):
        assert Aws(context).s3.list_objects_v2(Bucket=bucket)["KeyCount"]
    for database, table in {"openwebui": '"user"', "n8n": "workflow_entity"}.items():
        assert int(Postgres(context).run(f"select count(*) from {table}", database))
