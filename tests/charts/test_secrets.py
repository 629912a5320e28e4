"""Secrets are named and never made here, but by the External Secrets Operator where it is asked to."""

import pytest

from tests.support.charts import PROFILES, Refused, render
from tests.support.secrets_of_charts import asked

WITH = ("--set", "externalSecrets.enabled=true,externalSecrets.store.name=aws")


@pytest.mark.parametrize(
    "options", [WITH, (*WITH, "--set", "n8n.enabled=false,open-webui.orchestrator=direct")]
)
@pytest.mark.parametrize("profile", PROFILES)
def test_there_is_one_for_each_secret_that_a_pod_reads_and_no_other(
    profile: str, options: tuple[str, ...]
) -> None:
    release = render(profile, *options)
    made = [item["spec"]["target"]["name"] for item in release.of("ExternalSecret")]
    assert sorted(made) == sorted({name for name, _ in asked(release)})


def test_all_of_it_comes_from_one_entry_of_the_store() -> None:
    (secret,) = (
        item["spec"]
        for item in render(PROFILES[0], *WITH).of("ExternalSecret")
        if item["metadata"]["name"] == "tenantry-gateway"
    )
    assert secret["dataFrom"] == [{"extract": {"key": "tenantry/tenantry-gateway"}}]
    assert secret["secretStoreRef"] == {"kind": "ClusterSecretStore", "name": "aws"}


def test_a_secret_under_another_name_is_made_under_it() -> None:
    release = render(PROFILES[0], *WITH, "--set", "gateway.existingSecret=another")
    names = [item["metadata"]["name"] for item in release.of("ExternalSecret")]
    assert "another" in names
    assert "tenantry-gateway" not in names


@pytest.mark.parametrize("profile", PROFILES)
def test_nobody_is_asked_for_secrets_by_default(profile: str) -> None:
    assert not render(profile).of("ExternalSecret", "Secret")


def test_the_store_has_to_be_named() -> None:
    with pytest.raises(Refused, match="/externalSecrets/store/name"):
        render(PROFILES[0], "--set", "externalSecrets.enabled=true")
