"""Pages of the reference that are generated say what the code says today."""

import pytest

from tools import gateway_reference, metrics_reference, settings_reference, tenant_reference


@pytest.mark.parametrize(
    "page",
    [tenant_reference, settings_reference, gateway_reference, metrics_reference],
    ids=["tenant", "settings", "gateway", "metrics"],
)
def test_generated_page_is_what_the_code_says(page: object) -> None:
    written = page.PAGE.read_text()  # type: ignore[attr-defined]
    assert written == page.render(), "run `make reference`"  # type: ignore[attr-defined]
