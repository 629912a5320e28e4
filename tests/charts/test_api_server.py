"""Tests of combinations of values: helm lints them, and the API server accepts every object."""

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations

import pytest
import yaml
from tenantry_local.parts.kubernetes import run_kubectl
from tenantry_local.platform import Platform

from tests.support.backends.api_server import create_namespace
from tests.support.charts.rendering import MONITORED, PROFILES, Object, Release, lint, render
from tests.support.charts.third_party import install_third_party_resources

PROFILE = "values-eks-prod.yaml"

POD_FIELDS = (
    "global.podLabels.team=rag,global.podAnnotations.team=rag,global.imageRegistry=registry.example.com/mirror",
    "global.tolerations[0].key=rag,global.tolerations[0].operator=Exists,n8n.worker.nodeSelector.pool=n8n",
    "qdrant.topologySpreadConstraints[0].topologyKey=rack,qdrant.topologySpreadConstraints[0].maxSkew=1",
    "qdrant.topologySpreadConstraints[0].whenUnsatisfiable=DoNotSchedule,qdrant.priorityClassName=gold",
    "open-webui.extraVolumes[0].name=ca,open-webui.extraVolumes[0].configMap.name=ca",
    "open-webui.extraVolumeMounts[0].name=ca,open-webui.extraVolumeMounts[0].mountPath=/ca",
)
"""Values that place and extend pods."""

WAYS = (
    "httpRoute.enabled=true,httpRoute.parentRefs[0].name=public,httpRoute.parentRefs[0].namespace=gateways",
    "targetGroupBinding.enabled=true,targetGroupBinding.securityGroups={sg-01234567}",
    "targetGroupBinding.targetGroupArn=arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/tenantry/0",
)
"""Values of the ways to Open WebUI besides the Ingress."""

TOGGLES = (
    "crds.install=false",
    "file-sync.enabled=false",
    "open-webui.enabled=false,global.openWebui.adminEmail=,ingress.enabled=false",
    "n8n.enabled=false,open-webui.orchestrator=direct",
    "n8n.worker.autoscaling.source=keda",
    "n8n.worker.autoscaling.initialReplicas=2",
    "qdrant.enabled=false,global.qdrant.url=https://qdrant.example,global.network.qdrant.cidrs={10.0.9.0/24}",
    "global.qdrant.tlsSecret=qdrant-tls",
    "ingress.enabled=false",
    "monitoring.enabled=false",
    "monitoring.monitorKind=ServiceMonitor,global.network.monitoringNamespace=",
    "global.imagePullSecrets[0].name=registry",
    ",".join(POD_FIELDS),
    "gateway.extraEnv[0].name=HTTPS_PROXY,gateway.extraEnv[0].value=http://proxy.example:3128",
)
"""Changes of the production profile that can be combined with each other."""

STORES = ("externalSecrets.enabled=true,externalSecrets.store.name=aws", "global.secretsStore.enabled=true")
"""Changes of the production profile that exclude each other."""

COMBINATIONS, EACH_IN = 6, 4
"""Number of combinations, and number of combinations with each choice: enough for C(6, 4) = 15 choices."""


def build_combinations(choices: Sequence[str]) -> list[tuple[str, ...]]:
    """Return combinations in which any two choices occur together, and each without the other.

    Each choice is in a different set of four of the six combinations. So two choices share at least two
    combinations, and each choice is in a combination without the other (Katona 1973; Kleitman and Spencer
    1973).
    """
    places = list(combinations(range(COMBINATIONS), EACH_IN))
    if len(choices) > len(places):
        raise ValueError(f"{COMBINATIONS} combinations are not enough for {len(choices)} choices")
    chosen = list(zip(choices, places, strict=False))
    return [tuple(choice for choice, where in chosen if row in where) for row in range(COMBINATIONS)]


COMBINED = sorted({each for store in STORES for each in build_combinations([*TOGGLES, store])})


@pytest.fixture(scope="module")
def namespace(platform: Platform) -> Iterator[str]:
    """A namespace that warns of pods that violate Pod Security "restricted"."""
    with (
        create_namespace(platform, "chart-test", warn="restricted") as name,
        install_third_party_resources(platform),
    ):
        yield name


@pytest.mark.parametrize("profile", PROFILES)
def test_the_api_server_accepts_each_profile_without_warnings(
    platform: Platform, namespace: str, profile: str
) -> None:
    apply_dry_run(platform, render(profile, *MONITORED, namespace=namespace))


@pytest.mark.parametrize("name", ["customer-support-assistant-for-the-north-american-td1", "2nd-release.v2"])
def test_the_api_server_accepts_every_release_name_in_a_namespace_with_a_long_name(
    platform: Platform, namespace: str, name: str
) -> None:
    with create_namespace(platform, "n" * 54) as long_namespace:
        release = render(
            PROFILE, *MONITORED,
            "--set", "n8n.worker.autoscaling.source=keda,monitoring.monitorKind=ServiceMonitor",
            namespace=long_namespace, release=name,
        )  # fmt: skip
        assert namespace != long_namespace  # its fixture defines the kinds of others
        apply_dry_run(platform, release)


def test_the_api_server_accepts_other_ways_to_open_webui(platform: Platform, namespace: str) -> None:
    apply_dry_run(platform, render(PROFILE, *MONITORED, "--set", ",".join(WAYS), namespace=namespace))


def test_the_api_server_accepts_gradual_rollouts(platform: Platform, namespace: str) -> None:
    options = "global.rollouts.enabled=true,global.rollouts.prometheusUrl=http://prometheus:9090"
    known = ("--api-versions", "argoproj.io/v1alpha1/Rollout")
    apply_dry_run(platform, render(PROFILE, *MONITORED, *known, "--set", options, namespace=namespace))


@pytest.mark.parametrize("choices", COMBINED, ids=" ".join)
def test_the_api_server_accepts_combinations_of_choices(
    platform: Platform, namespace: str, choices: tuple[str, ...]
) -> None:
    apply_dry_run(platform, render(PROFILE, *MONITORED, "--set", ",".join(choices), namespace=namespace))


def test_any_two_choices_occur_together_and_each_without_the_other() -> None:
    for store in STORES:
        for one, other in permutations([*TOGGLES, store], 2):
            met = {(one in choices, other in choices) for choices in COMBINED}
            assert met >= {(True, True), (True, False)}, (one, other)


@pytest.mark.parametrize("choice", [*TOGGLES, *STORES])
def test_helm_lints_each_choice(choice: str) -> None:
    assert "0 chart(s) failed" in lint(PROFILE, "--set", choice)


def apply_dry_run(platform: Platform, release: Release) -> None:
    """Apply all objects to the API server in a dry run.

    A Pod is refused without its ServiceAccount, which a dry run does not create. So Pods are applied as the
    templates of Jobs.
    """
    objects = [make_job(item) if item["kind"] == "Pod" else item for item in release.objects]
    applied = run_kubectl(
        platform.context, "apply", "--server-side", "--force-conflicts", "--dry-run=server",
        "--validate=strict", "--warnings-as-errors", "-f", "-", stdin=yaml.dump_all(objects),
    )  # fmt: skip
    assert applied.count("serverside-applied") == len(objects)


def make_job(pod: Object) -> Object:
    """Return a Job that runs a pod."""
    metadata = pod["metadata"]
    template = {"metadata": {"labels": metadata["labels"]}, "spec": pod["spec"]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {key: metadata[key] for key in ("name", "namespace", "labels")},
        "spec": {"template": template},
    }
