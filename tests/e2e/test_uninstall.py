"""The release goes, and with it all that it made; what belongs to tenants stays."""

from .installation import Installation

KINDS = (
    "deployments,statefulsets,replicasets,jobs,pods,services,configmaps,serviceaccounts,networkpolicies,"
    "poddisruptionbudgets,horizontalpodautoscalers,ingresses,roles,rolebindings,clusterroles,clusterrolebindings"
)


def test_nothing_is_left_but_what_belongs_to_tenants(filled: Installation) -> None:
    cluster = filled.cluster
    cluster.helm("uninstall", filled.release, "--wait", "--timeout=5m")
    own = f"app.kubernetes.io/instance={filled.release},app.kubernetes.io/part-of=tenantry"
    left = [f"{item['kind']}/{item['metadata']['name']}" for item in cluster.list(KINDS, "-l", own)]
    assert not left
    assert {item["metadata"]["name"] for item in cluster.list("tenants")} >= {"tenanta", "tenantb"}
    assert cluster.list("persistentvolumeclaims", "-l", f"app.kubernetes.io/instance={filled.release}")
