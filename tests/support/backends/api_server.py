"""Administrator's access to the real API server: Tenants, and the errors for invalid Tenants."""

import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kubernetes import client, config
from tenancy.names import GROUP, PLURAL, VERSION
from tenantry_local.parts.kubernetes import get_kubeconfig, run_kubectl
from tenantry_local.platform import Platform

__all__ = ["Refused", "Tenants", "apply", "create_namespace", "open_admin_client", "to_manifest_list"]


def open_admin_client(platform: Platform) -> client.ApiClient:
    """Return a client with every right; the caller closes it."""
    opened: client.ApiClient = config.new_client_from_config(
        config_file=str(get_kubeconfig(platform.context, "admin"))
    )
    return opened


def to_manifest_list(objects: Iterable[dict[str, Any]]) -> str:
    """Return objects as one manifest for kubectl."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def apply(platform: Platform, objects: Iterable[dict[str, Any]], *options: str) -> None:
    """Apply objects with kubectl, and take over fields of other owners; ``options`` are kubectl's."""
    apply = ("apply", "--server-side", "--force-conflicts", *options, "-f", "-")
    run_kubectl(platform.context, *apply, stdin=to_manifest_list(objects))


@contextmanager
def create_namespace(platform: Platform, name: str, **labels: str) -> Iterator[str]:
    """Create a namespace with a unique name and Pod Security's labels; delete it at the end."""
    name = f"{name}-{uuid.uuid4().hex[:8]}"
    labels = {f"pod-security.kubernetes.io/{mode}": level for mode, level in labels.items()}
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    run_kubectl(platform.context, "create", "-f", "-", stdin=json.dumps(manifest))
    try:
        yield name
    finally:
        run_kubectl(platform.context, "delete", "namespace", name, "--wait=false")


@dataclass(frozen=True)
class Cause:
    """One invalid field, and the reason."""

    field: str
    message: str


class Refused(Exception):
    """The API server rejected the object.

    Parameters
    ----------
    status
        HTTP status.
    body
        The API server's Status object, or plain text where it has no resource of that kind.
    """

    def __init__(self, status: int, body: str) -> None:
        answer: dict[str, Any] = json.loads(body) if body.startswith("{") else {"message": body}
        self.status = status
        self.message = str(answer.get("message", ""))
        super().__init__(self.message)
        causes = answer.get("details", {}).get("causes", [])
        self.causes = [Cause(cause.get("field", ""), cause["message"]) for cause in causes]


class Tenants:
    """Tenants in one API server.

    Parameters
    ----------
    api
        Client of the API server; the caller closes it.
    group, version
        API group and version; a test with a copy of the resource names the copy's.
    """

    def __init__(self, api: client.ApiClient, group: str = GROUP, version: str = VERSION) -> None:
        self._api = client.CustomObjectsApi(api)
        self._kind = (group, version, PLURAL)

    def make_manifest(self, name: str, spec: Any = None, **metadata: Any) -> dict[str, Any]:
        """Return the manifest of a Tenant."""
        group, version, _ = self._kind
        return {
            "apiVersion": f"{group}/{version}",
            "kind": "Tenant",
            "metadata": {"name": name, **metadata},
            "spec": {} if spec is None else spec,
        }

    def check(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Return the Tenant as the API server would store it, by a dry run."""
        return self._call(
            self._api.create_cluster_custom_object, body=manifest, dry_run="All", field_validation="Strict"
        )

    def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Store a Tenant."""
        return self._call(self._api.create_cluster_custom_object, body=manifest)

    def patch(self, name: str, patch: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """Merge a patch into a Tenant."""
        options = {"dry_run": "All"} if dry_run else {}
        return self._call(self._api.patch_cluster_custom_object, name=name, body=patch, **options)

    def patch_status(self, name: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Merge a patch into a Tenant through its status subresource."""
        return self._call(self._api.patch_cluster_custom_object_status, name=name, body=patch)

    def get(self, name: str) -> dict[str, Any] | None:
        """Return a Tenant, or ``None`` if it does not exist."""
        try:
            return self._call(self._api.get_cluster_custom_object, name=name)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def get_table(self, name: str) -> dict[str, Any]:
        """Return a Tenant as the table that ``kubectl get`` prints."""
        headers = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        return self._call(self._api.get_cluster_custom_object, name=name, _headers=headers)

    def delete(self, name: str) -> None:
        """Request the deletion of a Tenant."""
        self._call(self._api.delete_cluster_custom_object, name=name)

    def is_being_deleted(self, name: str) -> bool:
        """Return True if a Tenant is gone, or only waits for its finalizer."""
        tenant = self.get(name)
        return tenant is None or "deletionTimestamp" in tenant["metadata"]

    def delete_all(self, label: str) -> None:
        """Delete every Tenant with a label, in one request."""
        self._call(self._api.delete_collection_cluster_custom_object, label_selector=label)

    def _call(self, method: Any, **arguments: Any) -> dict[str, Any]:
        group, version, plural = self._kind
        try:
            answer: dict[str, Any] = method(group=group, version=version, plural=plural, **arguments)
        except client.exceptions.ApiException as exc:
            raise Refused(exc.status, exc.body or "") from exc
        return answer
