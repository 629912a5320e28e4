"""Manifests of a tenant's namespace: quota, default limits, default-deny network policy, service account."""

from typing import Any

from tenancy.model import Tenant

__all__ = ["MANAGED_BY", "build_objects"]

MANAGED_BY = {"app.kubernetes.io/managed-by": "tenantry"}


def build_objects(tenant: Tenant) -> list[dict[str, Any]]:
    """Return every object, the namespace first; return none when the tenant has no ``quota.compute``.

    Pods may resolve names. Other traffic needs an additional NetworkPolicy.
    """
    compute = tenant.spec.quota.compute
    if compute is None:
        return []
    hard = compute.model_dump(by_alias=True, exclude_none=True)
    dns = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
    return [
        _build_object(tenant, "v1", "Namespace", tenant.key, namespaced=False),
        _build_object(tenant, "v1", "ResourceQuota", "tenant", spec={"hard": hard}),
        _build_object(tenant, "v1", "LimitRange", "tenant", spec={"limits": [_DEFAULT_LIMITS]}),
        _build_object(
            tenant,
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "default-deny",
            spec={"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": [dns]},
        ),
        _build_object(tenant, "v1", "ServiceAccount", "tenant", automountServiceAccountToken=False),
    ]


_DEFAULT_LIMITS = {
    "type": "Container",
    "default": {"cpu": "500m", "memory": "512Mi"},
    "defaultRequest": {"cpu": "100m", "memory": "128Mi"},
}
"""Limits of containers that declare no resources: without defaults, the quota makes Kubernetes reject
them."""


def _build_object(
    tenant: Tenant, version: str, kind: str, name: str, *, namespaced: bool = True, **rest: Any
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "labels": {**MANAGED_BY, "tenantry.io/tenant": tenant.id}}
    if namespaced:
        metadata["namespace"] = tenant.key
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}
