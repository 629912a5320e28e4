"""Client of the API server for benchmarks: creates and watches Tenants, and reads the server's counters."""

import asyncio
import json
import re
import time
from collections.abc import Collection
from typing import Any

import httpx
from tenantry_local.platform import Platform

__all__ = ["BenchApiServer", "make_manifest"]

TENANTS = "/apis/tenantry.io/v1alpha1/tenants"

_REQUESTS = re.compile(r"^apiserver_request_total\{(?P<labels>[^}]*)\} (?P<count>\S+)$", re.MULTILINE)


def make_manifest(name: str) -> dict[str, Any]:
    """Return a Tenant with two personas and unique addresses."""
    return {
        "apiVersion": "tenantry.io/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": name},
        "spec": {
            "identity": {"emails": [f"*@{name}.example"], "admins": [f"admin@{name}.example"]},
            "personas": [{"id": "finance"}, {"id": "people"}],
            "deletionPolicy": "Delete",
        },
    }


class BenchApiServer:
    """Administrator's client of an API server."""

    def __init__(self, platform: Platform) -> None:
        self._http = httpx.AsyncClient(
            base_url=platform.context.build_url("kubernetes"),
            headers={"Authorization": f"Bearer {platform.context.secrets['kube-admin']}"},
            verify=False,
            timeout=120,
        )

    async def close(self) -> None:
        """Close the connection."""
        await self._http.aclose()

    async def create(self, name: str) -> float:
        """Create a Tenant and return the monotonic time of the request."""
        started = time.monotonic()
        (await self._http.post(TENANTS, json=make_manifest(name))).raise_for_status()
        return started

    async def delete(self, name: str) -> None:
        """Delete a Tenant."""
        (await self._http.delete(f"{TENANTS}/{name}")).raise_for_status()

    async def wait(self, names: Collection[str], *, ready: bool, version: str = "0") -> dict[str, float]:
        """Wait until all Tenants are Ready, or gone; return the monotonic time of each change."""
        waiting, seen = set(names), {}
        params = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "110"}
        async with self._http.stream("GET", TENANTS, params=params) as events:
            async for line in events.aiter_lines():
                event = json.loads(line)
                name = event["object"]["metadata"]["name"]
                if name in waiting and (_is_ready(event["object"]) if ready else event["type"] == "DELETED"):
                    seen[name] = time.monotonic()
                    waiting.remove(name)
                if not waiting:
                    return seen
        raise TimeoutError(f"{len(waiting)} Tenants are still not {'Ready' if ready else 'gone'}")

    async def get_resource_version(self) -> str:
        """Return the current resource version, from which a watch can start."""
        listed = (await self._http.get(TENANTS, params={"limit": "1"})).json()
        return str(listed["metadata"]["resourceVersion"])

    async def count_writes(self) -> float:
        """Return the number of writes to Tenants and events since the server's start."""
        await asyncio.sleep(0.5)  # the last responses may not be counted yet
        text = (await self._http.get("/metrics")).text
        total = 0.0
        for match in _REQUESTS.finditer(text):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', match["labels"]))
            is_write = labels["verb"] in {"POST", "PUT", "PATCH", "APPLY", "DELETE"}
            if is_write and (labels["resource"] == "tenants" or labels["group"] == "events.k8s.io"):
                total += float(match["count"])
        return total


def _is_ready(tenant: dict[str, Any]) -> bool:
    conditions = tenant.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
