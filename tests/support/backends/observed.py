"""State of a tenant in the external systems, read without the operator's code."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any, cast

import httpx
import redis
from kubernetes import client
from tenantry_local.part import get_system_tls_context
from tenantry_local.parts.aws import BUCKET, Aws
from tenantry_local.parts.keycloak import REALM, Keycloak
from tenantry_local.parts.kubernetes import run_kubectl
from tenantry_local.parts.qdrant import Qdrant
from tenantry_local.parts.redis import Redis
from tenantry_local.platform import Platform
from tenantry_local.tenant_data import find_tenant_data

from tests.support.backends.api_server import open_admin_client

__all__ = ["Observed"]


ADMIN_TOKEN_SECONDS = 30.0
"""Time for which a token of Keycloak's administrator is reused; it is valid for a minute."""


class Observed:
    """Reader of the external systems' state, which can also change it.

    Parameters
    ----------
    platform
        The running platform.
    """

    def __init__(self, platform: Platform) -> None:
        self._context = platform.context
        self._keycloak = Keycloak(platform.context)
        self._http = httpx.Client(base_url=self._keycloak.url, timeout=30, verify=get_system_tls_context())
        self._token, self._token_expiry = "", 0.0
        self.s3 = Aws(platform.context).s3
        self.redis = redis.Redis.from_url(Redis(platform.context).url_with_password, decode_responses=True)
        self._api = open_admin_client(platform)  # a start of kubectl takes 60 ms of CPU

    def close(self) -> None:
        """Close connections."""
        self._http.close()
        self.s3.close()
        self.redis.close()
        self._api.close()

    def find_data(self, tenant_id: str) -> dict[str, Any]:
        """Return the remaining data of a tenant by system; empty if no data remains."""
        return find_tenant_data(self._context, tenant_id)

    def get_state(self, tenant_id: str) -> dict[str, Any]:
        """Return everything that the operator creates for a tenant, without ids that differ between runs."""
        return {
            "storage": {
                key: {name: value for name, value in tags.items() if name != "tenant-uid"}
                for key, tags in self.get_markers(tenant_id).items()
            },
            "vectors": self.get_collection("digital_twin_knowledge"),
            "identity": self._get_groups(tenant_id),
            "namespace": self._get_namespace(tenant_id),
        }

    def get_collection(self, name: str) -> dict[str, Any]:
        """Return the indexes and settings of a collection; empty if it does not exist."""
        response = self._call_qdrant("GET", f"/collections/{name}")
        if response.status_code == 404:
            return {}
        collection = response.json()["result"]
        return {
            "size": collection["config"]["params"]["vectors"]["dense"]["size"],
            "words": collection["config"]["params"]["sparse_vectors"]["bm25"]["modifier"],
            "m": collection["config"]["hnsw_config"]["m"],
            "payload_m": collection["config"]["hnsw_config"]["payload_m"],
            "indexes": {
                field: index["params"].get("is_tenant")
                for field, index in collection["payload_schema"].items()
            },
        }

    def drop_index(self, collection: str, field: str) -> None:
        """Drop an index of a collection."""
        self._call_qdrant("DELETE", f"/collections/{collection}/index/{field}").raise_for_status()

    def make_collection(self, name: str, size: int) -> None:
        """Create a collection without the operator's indexes and settings."""
        body = {"vectors": {"size": size, "distance": "Cosine"}}
        self._call_qdrant("PUT", f"/collections/{name}", json=body).raise_for_status()

    def put_point(self, collection: str, payload: dict[str, str]) -> None:
        """Write a point with a payload."""
        vector = {"dense": [1.0] + [0.0] * 767}
        body = {"points": [{"id": str(uuid.uuid4()), "vector": vector, "payload": payload}]}
        path = f"/collections/{collection}/points?wait=true"
        self._call_qdrant("PUT", path, json=body).raise_for_status()

    def drop_collection(self, name: str) -> None:
        """Remove a collection."""
        self._call_qdrant("DELETE", f"/collections/{name}").raise_for_status()

    def call_keycloak(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Send a request to the realm's admin API as administrator."""
        headers = {"Authorization": f"Bearer {self._get_admin_token()}"}
        return self._http.request(method, f"/admin/realms/{REALM}{path}", headers=headers, **arguments)

    def _get_admin_token(self) -> str:
        if time.monotonic() > self._token_expiry:
            self._token = self._keycloak.fetch_admin_token(self._http)
            self._token_expiry = time.monotonic() + ADMIN_TOKEN_SECONDS
        return self._token

    def get_group(self, path: str) -> dict[str, Any]:
        """Return the group at a path; empty if it does not exist."""
        response = self.call_keycloak("GET", f"/group-by-path{path}")
        return cast("dict[str, Any]", response.json()) if response.is_success else {}

    def add_person(self, email: str, *, verified: bool = True) -> str:
        """Create an account, or replace the account with that address; return its id."""
        for known in self.call_keycloak("GET", "/users", params={"email": email, "exact": "true"}).json():
            self.call_keycloak("DELETE", f"/users/{known['id']}").raise_for_status()
        user = {"username": email, "email": email, "emailVerified": verified, "enabled": True}
        made = self.call_keycloak("POST", "/users", json=user)
        made.raise_for_status()
        return made.headers["location"].rpartition("/")[2]

    def run_kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as administrator."""
        return run_kubectl(self._context, *arguments, stdin=stdin)

    def get_markers(self, tenant_id: str) -> dict[str, dict[str, str]]:
        """Return the tags of each folder marker in the bucket, by the marker's key."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"tenant-{tenant_id}/")
        keys = [entry["Key"] for entry in listed.get("Contents", []) if entry["Key"].endswith("/")]
        tags = {key: self.s3.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"] for key in keys}
        return {key: {tag["Key"]: tag["Value"] for tag in found} for key, found in tags.items()}

    def _get_groups(self, tenant_id: str) -> dict[str, Any]:
        group = self.get_group(f"/tenants/tenant-{tenant_id}")
        if not group:
            return {}
        children = self.call_keycloak("GET", f"/groups/{group['id']}/children").json()
        same_name = self.call_keycloak(
            "GET", "/groups", params={"search": f"tenant-{tenant_id}", "exact": "true"}
        ).json()
        return {
            "attributes": group["attributes"],
            "members": self._list_emails(group["id"]),
            "children": {child["name"]: self._list_emails(child["id"]) for child in children},
            "copies": sum(len(parent.get("subGroups", [])) for parent in same_name),
        }

    def _list_emails(self, group_id: str) -> list[str]:
        return sorted(
            user["email"] for user in self.call_keycloak("GET", f"/groups/{group_id}/members").json()
        )

    def _get_namespace(self, tenant_id: str) -> dict[str, Any]:
        core, name = client.CoreV1Api(self._api), f"tenant-{tenant_id}"
        if not _read(core.read_namespace, name):
            return {}
        network = client.NetworkingV1Api(self._api)
        objects = {
            "ResourceQuota": _read(core.read_namespaced_resource_quota, "tenant", name),
            "LimitRange": _read(core.read_namespaced_limit_range, "tenant", name),
            "NetworkPolicy": _read(network.read_namespaced_network_policy, "default-deny", name),
            "ServiceAccount": _read(core.read_namespaced_service_account, "tenant", name),
        }
        return {kind: item.get("spec", {}) for kind, item in objects.items() if item}

    def _call_qdrant(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        part = Qdrant(self._context)
        headers, trust = {"api-key": part.api_key}, get_system_tls_context()
        return httpx.request(method, part.url + path, headers=headers, timeout=30, verify=trust, **arguments)


def _read(method: Callable[..., Any], *names: str) -> dict[str, Any]:
    """Return an object of the API server; empty if it does not exist."""
    try:
        return cast("dict[str, Any]", json.loads(method(*names, _preload_content=False).data))
    except client.ApiException as exc:
        if exc.status == httpx.codes.NOT_FOUND:
            return {}
        raise
