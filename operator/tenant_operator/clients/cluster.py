"""Client of the Kubernetes API: finalizer, status and events of a Tenant, and plain objects.

Every write to a Tenant names its uid. A Tenant that is created again under the same name is another Tenant.
It must not get the finalizer or the status of the deleted Tenant.
"""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from kubernetes.aio import client
from servicekit import kube
from servicekit.remote import Remote
from tenancy.model import Tenant
from tenancy.names import GROUP, PLURAL, VERSION

__all__ = ["FIELD_MANAGER", "FINALIZER", "ClusterClient"]

FINALIZER = f"{GROUP}/operator"
FIELD_MANAGER = "tenantry-operator"
CALL_TIMEOUT_SECONDS = 10.0

_PATHS = {
    "Namespace": ("/api/v1", "namespaces"),
    "ResourceQuota": ("/api/v1", "resourcequotas"),
    "LimitRange": ("/api/v1", "limitranges"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies"),
}


class ClusterClient:
    """Client of one API server, for Tenants and plain objects.

    Parameters
    ----------
    api
        Client of the API server; the caller closes it.
    """

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api
        self._remote = Remote("kubernetes", kube.classify, timeout=CALL_TIMEOUT_SECONDS)

    async def list_tenants(self) -> list[dict[str, Any]]:
        """Return every Tenant as JSON."""
        listed = await self._call("list-tenants", "GET", _TENANTS)
        return list((listed or {})["items"])

    async def add_finalizer(self, tenant: Tenant) -> bool:
        """Add the finalizer; return False when the Tenant no longer exists."""
        return await self._apply_finalizers(tenant, [FINALIZER])

    async def remove_finalizer(self, tenant: Tenant) -> None:
        """Remove the finalizer; an absent Tenant is a success."""
        await self._apply_finalizers(tenant, [])

    async def write_status(self, tenant: Tenant, status: dict[str, Any]) -> None:
        """Replace the Tenant's status; an absent Tenant is a success."""
        # The patch tests the uid: the status subresource ignores a uid in the object's metadata.
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": tenant.metadata.uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        path = f"{_TENANTS}/{tenant.id}/status"
        await self._call(
            "write-status", "PATCH", path, body=patch, content_type=_JSON_PATCH, absent=_is_failed_test
        )

    async def record_event(self, tenant: Tenant, *, warning: bool, reason: str, note: str) -> None:
        """Record an event that ``kubectl describe`` shows."""
        now = datetime.now(UTC)
        event = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            # Events of a cluster-scoped object are in the namespace "default".
            "metadata": {"generateName": f"{tenant.id}-", "namespace": "default"},
            "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "reportingController": f"{GROUP}/operator",
            "reportingInstance": os.environ.get("HOSTNAME", "operator")[:128],
            "action": "Reconcile",
            "type": "Warning" if warning else "Normal",
            "reason": reason,
            "note": note[:1024],
            "regarding": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": "Tenant",
                "name": tenant.id,
                "uid": tenant.metadata.uid,
            },
        }
        await self._call(
            "record-event", "POST", "/apis/events.k8s.io/v1/namespaces/default/events", body=event
        )

    async def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """Return an object, or ``None`` when it is absent."""
        return await self._call(
            f"get-{kind.lower()}", "GET", _build_path(kind, name, namespace), absent=_is_missing
        )

    async def apply(self, wanted: dict[str, Any]) -> None:
        """Apply an object (server-side apply); fields of other managers keep their values."""
        metadata = wanted["metadata"]
        path = _build_path(wanted["kind"], metadata["name"], metadata.get("namespace"))
        operation = f"apply-{wanted['kind'].lower()}"
        await self._call(operation, "PATCH", path, query=_FORCE, body=wanted, content_type=_APPLY)

    async def delete(self, kind: str, name: str) -> None:
        """Delete a cluster-scoped object; an absent object is a success."""
        await self._call(
            f"delete-{kind.lower()}", "DELETE", _build_path(kind, name, None), absent=_is_missing
        )

    async def _apply_finalizers(self, tenant: Tenant, finalizers: list[str]) -> bool:
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "Tenant",
            # With the uid, an apply to an absent Tenant fails instead of creating a Tenant.
            "metadata": {"name": tenant.id, "uid": tenant.metadata.uid, "finalizers": finalizers},
        }
        path = f"{_TENANTS}/{tenant.id}"
        written = await self._call(
            "write-finalizer", "PATCH", path, query=_FORCE, body=body, content_type=_APPLY, absent=_is_gone
        )
        return written is not None

    async def _call(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        query: list[tuple[str, str]] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        absent: Callable[[int, bytes], bool] = lambda _, __: False,
    ) -> dict[str, Any] | None:
        """Make one call; return ``None`` when ``absent(status, body)`` is True for a failed response."""

        async def call() -> dict[str, Any] | None:
            headers = {"Accept": "application/json", "Content-Type": content_type}
            serialized = await self._api.param_serialize(
                method,
                path,
                query_params=query,
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
            response = await self._api.call_api(*serialized, _request_timeout=CALL_TIMEOUT_SECONDS)
            raw = await response.read()
            if absent(response.status, raw):
                return None
            if response.status >= 400:
                message = json.loads(raw).get("message", "") if raw.startswith(b"{") else raw.decode()[:200]
                raise client.exceptions.ApiException(status=response.status, reason=message)
            parsed: dict[str, Any] = json.loads(raw)
            return parsed

        return await self._remote.call(operation, call)


_TENANTS = f"/apis/{GROUP}/{VERSION}/{PLURAL}"
_FORCE = [("fieldManager", FIELD_MANAGER), ("force", "true")]
_APPLY = "application/apply-patch+yaml"
_JSON_PATCH = "application/json-patch+json"


def _is_missing(status: int, _: bytes) -> bool:
    return status == 404


def _is_gone(status: int, body: bytes) -> bool:
    """Return True if the Tenant of a write is gone, or another Tenant has its name now.

    A wrong uid is a conflict for some kinds of write, and a change of an immutable field for others.
    """
    return status in (404, 409) or (status == 422 and b"metadata.uid" in body)


def _is_failed_test(status: int, body: bytes) -> bool:
    """Return True if the test of a JSON patch failed, or its object is absent.

    A failed test is the only 422 without causes; for an invalid status the causes name the fields.
    """
    return status == 404 or (status == 422 and not json.loads(body)["details"].get("causes"))


def _build_path(kind: str, name: str, namespace: str | None) -> str:
    root, plural = _PATHS[kind]
    return f"{root}/namespaces/{namespace}/{plural}/{name}" if namespace else f"{root}/{plural}/{name}"
