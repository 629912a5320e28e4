"""Tests of the counters with a tenant label."""

from gateway.limits.tenant_metrics import TenantMetrics
from prometheus_client import REGISTRY

from tests.support.fakes.limits import get_metric
from tests.support.tenants.manifests import make_tenant

KEPT, DELETED = make_tenant("series-kept"), make_tenant("series-deleted")


def list_labelled_tenants() -> set[str]:
    tenant_keys = {
        sample.labels.get("tenant", "") for family in REGISTRY.collect() for sample in family.samples
    }
    return {key for key in tenant_keys if key.startswith("tenant-series-")}


def test_pruning_removes_the_series_of_deleted_tenants() -> None:
    tenant_metrics = TenantMetrics(by_tenant=True)
    for tenant in (KEPT, DELETED):
        tenant_metrics.record_tokens(tenant, input=5, output=2)
        tenant_metrics.record_answer(tenant)
    assert list_labelled_tenants() == {KEPT.key, DELETED.key}
    tenant_metrics.prune([KEPT])
    assert list_labelled_tenants() == {KEPT.key}
    assert get_metric("tenantry_gateway_tokens_total", tenant=KEPT.key, kind="input") == 5


def test_a_recreated_tenant_starts_at_zero() -> None:
    tenant_metrics = TenantMetrics(by_tenant=True)
    tenant_metrics.record_answer(DELETED)
    tenant_metrics.prune([])
    tenant_metrics.record_answer(DELETED)
    assert get_metric("tenantry_gateway_answers_total", tenant=DELETED.key) == 1


def test_by_default_no_series_names_a_tenant() -> None:
    before = get_metric("tenantry_gateway_answers_total", tenant="")
    tenant_metrics, hidden = TenantMetrics(), make_tenant("series-hidden")
    tenant_metrics.record_tokens(hidden, input=5)
    tenant_metrics.record_answer(hidden)
    assert hidden.key not in list_labelled_tenants()
    assert get_metric("tenantry_gateway_answers_total", tenant="") == before + 1
    tenant_metrics.prune([])
    assert get_metric("tenantry_gateway_answers_total", tenant="") == before + 1
