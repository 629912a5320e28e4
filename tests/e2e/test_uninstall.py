"""The release goes, and with it all that it made; what belongs to tenants stays."""

from tests.support.cluster import until_it_holds

from .installation import Installation

KINDS = (
    "deployments,statefulsets,replicasets,jobs,pods,services,configmaps,serviceaccounts,networkpolicies,"
    "poddisruptionbudgets,horizontalpodautoscalers,ingresses,roles,rolebindings,clusterroles,clusterrolebindings"
)


def test_nothing_is_left_but_what_belongs_to_tenants(filled: Installation) -> None:
    cluster = filled.cluster
    own = f"app.kubernetes.io/instance={filled.release},app.kubernetes.io/part-of=tenantry"
    assert cluster.list(KINDS, "-l", own)
    cluster.helm("uninstall", filled.release, "--wait", "--timeout=5m")
    until_it_holds(lambda: not cluster.list(KINDS, "-l", own), "nothing of the release is left", seconds=180)
    assert {item["metadata"]["name"] for item in cluster.list("tenants")} >= {"tenanta", "tenantb"}
    assert cluster.list("persistentvolumeclaims", "-l", f"app.kubernetes.io/instance={filled.release}")
