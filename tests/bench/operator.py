"""Benchmark of the operator: time until a Tenant is Ready, and its calls and writes."""

import asyncio
import re
import statistics
from collections import Counter

import httpx
import psutil
from tenantry_local.platform import Platform

from .kubernetes import BenchApiServer
from .report import Figure, get_percentile

__all__ = ["measure"]

IDLE_TENANTS = 30
CONCURRENT_TENANTS = 200

_CALLS = re.compile(r'^tenantry_backend_seconds_count\{[^}]*system="(\w+)"\} (\S+)$', re.MULTILINE)


async def measure(platform: Platform) -> list[Figure]:
    """Measure on a platform whose operator is idle."""
    api = BenchApiServer(platform)
    try:
        figures = [*await _measure_idle(platform, api), *await _measure_concurrent_tenants(api)]
        figures += await _measure_restart(platform, api)
        figures.append(_measure_rss(platform, "operator"))
        return figures
    finally:
        await api.close()


async def _measure_idle(platform: Platform, api: BenchApiServer) -> list[Figure]:
    writes, calls = await api.count_writes(), _count_remote_calls(platform)
    names = [f"idle-{number}" for number in range(IDLE_TENANTS)]
    seconds = [await _measure_one(api, name) for name in names]
    writes, calls = await api.count_writes() - writes - len(names), _count_remote_calls(platform) - calls
    each = {system: count / len(names) for system, count in sorted(calls.items())}
    await _remove(api, names)
    return [
        Figure(
            "apply to Ready, idle, p50", statistics.median(seconds), "s", 0.3, note=f"{len(names)} one by one"
        ),
        Figure("apply to Ready, idle, p99", get_percentile(seconds, 99), "s", 1.0),
        Figure("Kubernetes writes per created Tenant", writes / len(names), "writes", 3),
        *(Figure(f"{name} calls per created Tenant", count, "calls") for name, count in each.items()),
    ]


async def _measure_one(api: BenchApiServer, name: str) -> float:
    version = await api.get_resource_version()
    watch = asyncio.create_task(api.wait([name], ready=True, version=version))
    await asyncio.sleep(0.2)  # the operator must be idle, and the watch must start before the Tenant
    started = await api.create(name)
    return (await watch)[name] - started


async def _measure_concurrent_tenants(api: BenchApiServer) -> list[Figure]:
    names = [f"crowd-{number}" for number in range(CONCURRENT_TENANTS)]
    version = await api.get_resource_version()
    watch = asyncio.create_task(api.wait(names, ready=True, version=version))
    started = await asyncio.gather(*(api.create(name) for name in names))
    seen = await watch
    took = max(seen.values()) - min(started)
    return [
        Figure(
            f"{CONCURRENT_TENANTS} concurrent Tenants, all Ready",
            took,
            "s",
            note=f"{CONCURRENT_TENANTS / took:.0f} a second",
        )
    ]


async def _measure_restart(platform: Platform, api: BenchApiServer) -> list[Figure]:
    """Restart the operator with unchanged Tenants: it must read all and write nothing."""
    names = [f"crowd-{number}" for number in range(CONCURRENT_TENANTS)]
    before = await api.count_writes()
    platform.stop("operator")
    platform.start("operator")
    await _wait_until_calls_stop(platform)
    writes = await api.count_writes() - before
    await _remove(api, names)
    note = f"{CONCURRENT_TENANTS} Tenants"
    return [Figure("Kubernetes writes on an unchanged restart", writes, "writes", 0, note=note)]


async def _wait_until_calls_stop(platform: Platform) -> None:
    last = Counter[str]()
    while (now := _count_remote_calls(platform)) != last or not now:
        last = now
        await asyncio.sleep(2)


async def _remove(api: BenchApiServer, names: list[str]) -> None:
    version = await api.get_resource_version()
    watch = asyncio.create_task(api.wait(names, ready=False, version=version))
    await asyncio.gather(*(api.delete(name) for name in names))
    await watch


def _count_remote_calls(platform: Platform) -> Counter[str]:
    text = httpx.get(f"{platform.context.build_url('operator-metrics')}/metrics", timeout=10).text
    calls = Counter[str]()
    for system, count in _CALLS.findall(text):
        calls[system] += int(float(count))
    return calls


def _measure_rss(platform: Platform, name: str) -> Figure:
    process = platform.processes.find(name)
    if process is None:
        raise RuntimeError(f"{name} does not run")
    mebibytes = psutil.Process(process.pid).memory_info().rss / 2**20
    return Figure(f"{name} memory (RSS)", mebibytes, "MiB", 256 if name == "operator" else None)
