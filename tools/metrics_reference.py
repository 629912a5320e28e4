"""Generator of docs/reference/metrics.md from the code's metrics: ``python -m tools.metrics_reference``."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from file_sync import cloudwatch as cloudwatch_of_file_sync
from file_sync import metrics as of_file_sync
from gateway import cloudwatch as cloudwatch_of_gateway
from gateway import metrics as of_gateway
from prometheus_client.metrics import MetricWrapperBase
from servicekit import breaker, certificates, loop_lag, remote
from servicekit.cloudwatch import MAX_TENANTS, NAMESPACE, TENANT, CloudWatchMetric
from servicekit.web import server
from tenancy import registry
from tenant_operator import metrics as of_operator

__all__ = ["PAGE", "render"]

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "metrics.md"

SECTIONS: dict[str, tuple[ModuleType, ...]] = {
    "Every service": (remote, breaker, loop_lag, certificates),
    "Gateway": (of_gateway, registry, server),
    "Operator": (of_operator,),
    "File-sync": (of_file_sync, registry, server),
}

HEAD = """# Metrics

*This page is generated from the code (`make reference`).*

Every service serves Prometheus metrics at `/metrics` on a separate port. Durations are in seconds. By
default, no series names a tenant. With `GATEWAY_METRICS_BY_TENANT`, two counters of the gateway have the
label `tenant`: a few series for each Tenant, which are removed with the Tenant.
"""

CLOUDWATCH = f"""## In CloudWatch

With `global.aws.cloudWatchMetrics`, gateway and file-sync write these metrics for CloudWatch once a minute,
in the namespace `{NAMESPACE}`. The dimensions are `Namespace` and `Release`. `Answers` has a second series
for each tenant that asks, with the dimension `{TENANT}`: at most {MAX_TENANTS} for each gateway, and one for
all others.

| metric | unit | service | meaning |
|---|---|---|---|
"""


def render() -> str:
    """Return the page."""
    sections = [_render_section(title, modules) for title, modules in SECTIONS.items()]
    return "\n".join([HEAD, *sections, CLOUDWATCH]) + "".join(_render_cloudwatch_rows())


def _render_cloudwatch_rows() -> Iterator[str]:
    by_name: dict[str, list[tuple[str, CloudWatchMetric]]] = {}
    for service, module in (("gateway", cloudwatch_of_gateway), ("file-sync", cloudwatch_of_file_sync)):
        for metric in module.METRICS:
            by_name.setdefault(metric.name, []).append((service, metric))
    for name, found in by_name.items():
        services = ", ".join(service for service, _ in found)
        (_, first), *_ = found
        yield f"| `{name}` | {first.unit} | {services} | {first.meaning} |\n"


def _render_section(title: str, modules: tuple[ModuleType, ...]) -> str:
    rows = [row for module in modules for row in _render_rows(module)]
    return "\n".join(
        [f"## {title}\n", "| metric | kind | labels | meaning |", "|---|---|---|---|", *rows, ""]
    )


def _render_rows(module: ModuleType) -> Iterator[str]:
    for metric in vars(module).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(metric._labelnames)  # noqa: SLF001 (no public attribute has them)
            yield f"| `{name}` | {family.type} | {labels} | {family.documentation} |"


if __name__ == "__main__":
    PAGE.write_text(render())
    sys.stdout.write(f"wrote {PAGE.name}\n")
