from gateway.limits.tenant_metrics import TenantSeries
from prometheus_client import REGISTRY

from tests.support.limits import metric
from tests.support.tenants import make_tenant

STAYS, GOES = make_tenant("series-stays"), make_tenant("series-goes")


def tenants_seen() -> set[str]:
    found = {sample.labels.get("tenant", "") for family in REGISTRY.collect() for sample in family.samples}
    return {key for key in found if key.startswith("tenant-series-")}


def test_a_tenant_that_goes_takes_its_series_along() -> None:
    series = TenantSeries(by_tenant=True)
    for tenant in (STAYS, GOES):
        series.add(tenant, input=5, output=2)
        series.add_answer(tenant)
    assert tenants_seen() == {STAYS.key, GOES.key}
    series.keep([STAYS])
    assert tenants_seen() == {STAYS.key}
    assert metric("tenantry_gateway_tokens_total", tenant=STAYS.key, kind="input") == 5


def test_a_tenant_of_the_same_name_begins_anew() -> None:
    series = TenantSeries(by_tenant=True)
    series.add_answer(GOES)
    series.keep([])
    series.add_answer(GOES)
    assert metric("tenantry_gateway_answers_total", tenant=GOES.key) == 1


def test_no_series_names_a_tenant_unless_that_is_wanted() -> None:
    before = metric("tenantry_gateway_answers_total", tenant="")
    series, hidden = TenantSeries(), make_tenant("series-hidden")
    series.add(hidden, input=5)
    series.add_answer(hidden)
    assert hidden.key not in tenants_seen()
    assert metric("tenantry_gateway_answers_total", tenant="") == before + 1
    series.keep([])
    assert metric("tenantry_gateway_answers_total", tenant="") == before + 1
