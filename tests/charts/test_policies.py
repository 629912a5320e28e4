"""Tests of the chart's objects with kube-score, with a list of intended exemptions."""

import json
import subprocess

import pytest

from tests.support.charts.rendering import PROFILES, RELEASE, Release, render
from tools.linters import kube_score

VERSION = "v1.35"

OPTIONAL = ("container-seccomp-profile", "container-ports-check")
"""Optional checks of kube-score that are enabled."""

BEST_GRADE = 10
"""Best grade of kube-score."""


EXEMPT = {
    # Image versions are pinned, so a cached image is correct. An unavailable registry must not stop a pod.
    "container-image-pull-policy",
    # Root file systems are read-only, and every emptyDir has a size limit (test_objects).
    "container-ephemeral-storage-request-and-limit",
}
"""Checks that do not apply to this chart."""

EXEMPT_WORKLOADS = {
    # The users of the official images own the images' files.
    "container-security-context-user-group-id": {
        "n8n", "n8n-webhook", "n8n-worker", "qdrant", "keycloak", "postgres", "redis"
    },
    # topologySpreadConstraints spread pods; anti-affinity would need 20 nodes for 20 workers.
    "deployment-has-host-podantiaffinity": {
        "gateway", "file-sync", "n8n-webhook", "n8n-worker", "open-webui"
    },
    "statefulset-has-host-podantiaffinity": {"qdrant"},
    # Two main processes need n8n's enterprise licence. kind has one Keycloak, development one file-sync.
    "deployment-replicas": {"n8n", "keycloak", "file-sync"},
    # With a second replica, work would be done twice, or sessions would not be shared.
    "deployment-strategy": {"n8n", "keycloak"},
    # Single databases in kind: Kubernetes restarts a database that does not answer, and no client uses its
    # pod's name.
    "pod-probes-identical": {"postgres", "redis"},
    "statefulset-has-servicename": {"postgres", "redis"},
    # kind has one node.
    "horizontalpodautoscaler-replicas": {"qdrant"},
}  # fmt: skip
"""Checks that do not apply to some workloads."""


def list_findings(release: Release) -> set[tuple[str, str]]:
    """Return each failed check with the object's name, without the release's name."""
    argv = [
        str(kube_score.install(lambda _: None)), "score", "-", "--output-format=json",
        f"--kubernetes-version={VERSION}", *[f"--enable-optional-test={name}" for name in OPTIONAL],
        "--ignore-container-cpu-limit",  # without CPU limits, idle CPU is usable by other pods
    ]  # fmt: skip
    done = subprocess.run(argv, input=release.text, capture_output=True, text=True, check=False)
    return {
        (check["check"]["id"], item["object_name"].rpartition("/")[2].removeprefix(f"{RELEASE}-"))
        for item in json.loads(done.stdout)
        for check in item["checks"] or []
        if not check["skipped"] and check["grade"] < BEST_GRADE
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_all_findings_are_exempt(profile: str) -> None:
    for check, name in list_findings(render(profile)):
        assert check in EXEMPT or name in EXEMPT_WORKLOADS.get(check, ()), f"{name}: {check}"


def test_every_exemption_is_needed() -> None:
    found = set[tuple[str, str]]().union(*(list_findings(render(profile)) for profile in PROFILES))
    needed = {(check, name) for check, name in found if check not in EXEMPT}
    assert needed == {(check, name) for check, names in EXEMPT_WORKLOADS.items() for name in names}
    assert {check for check, _ in found} >= EXEMPT
