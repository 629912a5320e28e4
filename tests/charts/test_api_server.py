"""Whatever is switched on or off: helm has nothing to say, and the API server takes every object."""

from collections.abc import Iterator

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
    "n8n.worker.autoscaling.start=2",
    "qdrant.enabled=false,global.qdrant.url=https://qdrant.example",
    "global.qdrant.tlsSecret=qdrant-tls",
    "ingress.enabled=false",
    "externalSecrets.enabled=true,externalSecrets.store.name=aws",
    "monitoring.enabled=true,global.network.monitoringNamespace=monitoring",
    "global.imagePullSecrets[0].name=registry",
    "gateway.extraEnv[0].name=HTTPS_PROXY,gateway.extraEnv[0].value=http://proxy.example:3128",
)
"""Each against what is usual in production."""

SECRETS_STORE = "global.secretsStore.enabled=true"
"""Not beside External Secrets, so not among those that are tried all at once."""


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
    take(platform, render(profile, "--set", SECRETS_STORE, namespace=namespace))


@pytest.mark.parametrize("toggle", [*TOGGLES, ",".join(TOGGLES)])
def test_it_takes_all_of_it_with_another_choice_too(platform: Platform, namespace: str, toggle: str) -> None:
    take(platform, render(PROFILE, "--set", toggle, namespace=namespace))


@pytest.mark.parametrize("toggle", [*TOGGLES, SECRETS_STORE])
def test_helm_has_nothing_to_say_of_a_choice(toggle: str) -> None:
    assert "0 chart(s) failed" in lint(PROFILE, "--set", toggle)


def take(platform: Platform, release: Release) -> None:
    """Let the API server look at everything, as if it were applied."""
    applied = kubectl(
        platform.context, "apply", "--server-side", "--force-conflicts", "--dry-run=server",
        "--validate=strict", "--warnings-as-errors", "-f", "-", stdin=release.text,
    )  # fmt: skip
    assert applied.count("serverside-applied") == len(release.objects)
