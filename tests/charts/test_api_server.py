"""Whatever is switched on or off: helm has nothing to say, and the API server takes every object."""

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations

import pytest
from tenantry_local.parts.kubernetes import kubectl
from tenantry_local.platform import Platform

from tests.support.apiserver import new_namespace
from tests.support.charts import PROFILES, Release, lint, render
from tests.support.third_party import third_party_resources

PROFILE = "values-eks-prod.yaml"

TOGGLES = (
    "crds.install=false",
    "file-sync.enabled=false",
    "open-webui.enabled=false,global.openWebui.adminEmail=,ingress.enabled=false",
    "n8n.enabled=false,open-webui.orchestrator=direct",
    "n8n.worker.autoscaling.source=keda",
    "n8n.worker.autoscaling.initialReplicas=2",
    "qdrant.enabled=false,global.qdrant.url=https://qdrant.example",
    "global.qdrant.tlsSecret=qdrant-tls",
    "ingress.enabled=false",
    "monitoring.enabled=true,global.network.monitoringNamespace=monitoring",
    "global.imagePullSecrets[0].name=registry",
    "gateway.extraEnv[0].name=HTTPS_PROXY,gateway.extraEnv[0].value=http://proxy.example:3128",
)
"""Each against what is usual in production."""

STORES = ("externalSecrets.enabled=true,externalSecrets.store.name=aws", "global.secretsStore.enabled=true")
"""Likewise, but never both."""

COMBINATIONS, EACH_IN = 6, 4
"""Enough for C(6, 4) = 15 choices."""


def combined(choices: Sequence[str]) -> list[tuple[str, ...]]:
    """Return few combinations in which any two choices are met together and each without the other.

    Each choice is in another four of the six: so two of them share at least two combinations and differ in
    one, either way (Katona 1973; Kleitman and Spencer 1973). The profile itself has none of them.
    """
    places = list(combinations(range(COMBINATIONS), EACH_IN))
    if len(choices) > len(places):
        raise ValueError(f"{COMBINATIONS} combinations are not enough for {len(choices)} choices")
    chosen = list(zip(choices, places, strict=False))
    return [tuple(choice for choice, where in chosen if row in where) for row in range(COMBINATIONS)]


COMBINED = sorted({each for store in STORES for each in combined([*TOGGLES, store])})


@pytest.fixture(scope="module")
def namespace(platform: Platform) -> Iterator[str]:
    """A namespace in which a pod that is not confined is warned of."""
    with new_namespace(platform, "chart-test", warn="restricted") as name, third_party_resources(platform):
        yield name


@pytest.mark.parametrize("profile", PROFILES)
def test_the_api_server_takes_all_of_a_profile_without_a_warning(
    platform: Platform, namespace: str, profile: str
) -> None:
    take(platform, render(profile, namespace=namespace))


@pytest.mark.parametrize("choices", COMBINED, ids=" ".join)
def test_it_takes_all_of_it_with_other_choices_too(
    platform: Platform, namespace: str, choices: tuple[str, ...]
) -> None:
    take(platform, render(PROFILE, "--set", ",".join(choices), namespace=namespace))


def test_any_two_choices_are_met_together_and_each_without_the_other() -> None:
    for store in STORES:
        for one, other in permutations([*TOGGLES, store], 2):
            met = {(one in choices, other in choices) for choices in COMBINED}
            assert met >= {(True, True), (True, False)}, (one, other)


@pytest.mark.parametrize("choice", [*TOGGLES, *STORES])
def test_helm_has_nothing_to_say_of_a_choice(choice: str) -> None:
    assert "0 chart(s) failed" in lint(PROFILE, "--set", choice)


def take(platform: Platform, release: Release) -> None:
    """Let the API server look at everything, as if it were applied."""
    applied = kubectl(
        platform.context, "apply", "--server-side", "--force-conflicts", "--dry-run=server",
        "--validate=strict", "--warnings-as-errors", "-f", "-", stdin=release.text,
    )  # fmt: skip
    assert applied.count("serverside-applied") == len(release.objects)
