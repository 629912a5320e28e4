"""Tests of the metrics of the running services, before any event: rules and panels find what they name."""

import asyncio
import re
import uuid
from collections.abc import Iterable, Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from tenantry_local.platform import Platform

from tests.support.backends.api_server import create_namespace
from tests.support.charts.pods import SERVICES, ChartPods
from tests.support.charts.rendering import MONITORED, render
from tests.support.open_webui.database import create_fake_open_webui
from tests.support.tenants.manifests import apply_tenants, make_tenant_manifest

SELECTOR = re.compile(r"\b(tenantry_\w+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)(=~|=)\\?"([^"\\]*)\\?"')

ADDED_BY_PROMETHEUS = {"namespace", "release", "le"}
"""Labels of targets, and the label of a histogram's buckets."""

BY_TENANT = {("gateway", f"tenantry_gateway_{name}_total") for name in ("answers", "tokens")}
"""Counters with a series for each tenant in this profile, which begins with the tenant's first event. No rule
needs an increase of them."""

Families = dict[str, tuple[str, list[Sample]]]
"""Type and samples of each metric, by name."""


def list_selectors() -> list[tuple[str, dict[str, str]]]:
    """Return the name and the matchers of each selector of the services' metrics, in rules and panels.

    tests/unit/charts/test_guard.py covers the counter of Open WebUI's guard.
    """
    release = render("values-eks-prod.yaml", *MONITORED)
    rules = [str(item["spec"]) for item in release.list_objects("PrometheusRule")]
    text = "".join([*rules, release.get("ConfigMap", "rag-system-health")["data"]["rag-system-health.json"]])
    return [
        (
            name,
            {
                label: value
                for label, _, value in MATCHER.findall(matchers)
                if label not in ADDED_BY_PROMETHEUS
            },
        )
        for name, matchers in SELECTOR.findall(text)
        if not name.startswith("tenantry_open_webui_")
    ]


@pytest.fixture(scope="module")
def families(platform: Platform) -> Iterator[dict[str, Families]]:
    """The metrics of each service right after its start, by service."""
    tenant_id = f"metrics-{uuid.uuid4().hex[:8]}"
    manifest = make_tenant_manifest(tenant_id, identity={"emails": [f"*@{tenant_id}.example"]})
    with (
        create_namespace(platform, "metrics") as namespace,
        create_fake_open_webui(platform) as owui,
        apply_tenants(platform, manifest),
    ):
        pods = ChartPods(platform, namespace, owui.url)
        yield {service: asyncio.run(_read_metrics(pods, service)) for service in SERVICES}


async def _read_metrics(pods: ChartPods, service: str) -> Families:
    async with pods.run_service(service), httpx.AsyncClient() as http:
        return _parse((await http.get(f"{pods.metrics_urls[service]}/metrics")).text)


def _parse(text: str) -> Families:
    found: Families = {}
    for family in text_string_to_metric_families(text):
        samples = list(family.samples)
        names = {
            "counter": [f"{family.name}_total"],
            "histogram": [f"{family.name}{end}" for end in ("_bucket", "_count", "_sum")],
        }.get(family.type, [family.name])
        found |= {name: (family.type, [each for each in samples if each.name == name]) for name in names}
    return found


def _has_series(families: Iterable[Families], name: str, label: str, pattern: str) -> bool:
    return any(
        re.fullmatch(pattern, sample.labels.get(label, ""))
        for found in families
        for sample in found.get(name, ("", []))[1]
    )


def test_rules_and_panels_name_what_the_services_emit(families: dict[str, Families]) -> None:
    emitted = {name for found in families.values() for name in found}
    assert len(list_selectors()) > 20
    assert {name for name, _ in list_selectors()} <= emitted


def test_every_counter_exists_before_its_first_event(families: dict[str, Families]) -> None:
    """Prometheus sees no increase in a series that begins with its first event."""
    absent = {
        (service, name)
        for service, found in families.items()
        for name, (kind, samples) in found.items()
        if kind == "counter" and not samples
    }
    assert absent == BY_TENANT


def test_the_series_of_each_rule_exist_before_the_first_event(families: dict[str, Families]) -> None:
    for name, matchers in list_selectors():
        if not (name.endswith("_total") or matchers.get("status") == "5xx"):
            continue
        job = matchers.pop("job", None)
        services = [found for service, found in families.items() if job in (None, service)]
        for label, pattern in matchers.items():
            for value in pattern.split("|"):
                assert _has_series(services, name, label, value), (name, label, value)
