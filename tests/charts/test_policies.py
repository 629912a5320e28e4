"""What is usual for Kubernetes objects, as kube-score has it, and where this chart differs on purpose."""

import json
import subprocess

import pytest

from tests.support.charts import PROFILES, RELEASE, Release, render
from tools.linters import kube_score

VERSION = "v1.35"

OPTIONAL = ("container-seccomp-profile", "container-ports-check")
"""Checks that kube-score makes only when it is told to."""

FINE = 10
"""kube-score's best grade."""


EXEMPT = {
    # Images are pinned: what is on a node is what would be pulled, and a registry that is away stops no pod.
    "container-image-pull-policy",
    # Root file systems are read-only, and every emptyDir has a limit of its own (test_objects).
    "container-ephemeral-storage-request-and-limit",
}
"""Checks that are not for this chart."""

EXEMPT_WORKLOADS = {
    # The official images' own users, whose files are theirs.
    "container-security-context-user-group-id": {
        "n8n", "n8n-webhook", "n8n-worker", "qdrant", "keycloak", "postgres", "redis"
    },
    # topologySpreadConstraints spread pods over zones and nodes; 20 workers would not find 20 nodes.
    "deployment-has-host-podantiaffinity": {
        "gateway", "file-sync", "n8n-webhook", "n8n-worker", "open-webui"
    },
    "statefulset-has-host-podantiaffinity": {"qdrant"},
    # Two mains take n8n's enterprise licence. Of Keycloak kind has one, and of file-sync development.
    "deployment-replicas": {"n8n", "keycloak", "file-sync"},
    # A second one beside the first would do its work twice, or not share its sessions.
    "deployment-strategy": {"n8n", "keycloak"},
    # kind's single databases: one that does not answer starts anew, and none is known by its pod's name.
    "pod-probes-identical": {"postgres", "redis"},
    "statefulset-has-servicename": {"postgres", "redis"},
    # kind has one node.
    "horizontalpodautoscaler-replicas": {"qdrant"},
}  # fmt: skip
"""Checks that are not for some workloads."""


def findings(release: Release) -> set[tuple[str, str]]:
    """Return each check that failed, with the object's name behind the release's."""
    argv = [
        str(kube_score.install(lambda _: None)), "score", "-", "--output-format=json",
        f"--kubernetes-version={VERSION}", *[f"--enable-optional-test={name}" for name in OPTIONAL],
        "--ignore-container-cpu-limit",  # whoever is idle gives its CPU to others, and nobody is slowed down
    ]  # fmt: skip
    done = subprocess.run(argv, input=release.text, capture_output=True, text=True, check=False)
    return {
        (check["check"]["id"], item["object_name"].rpartition("/")[2].removeprefix(f"{RELEASE}-"))
        for item in json.loads(done.stdout)
        for check in item["checks"] or []
        if not check["skipped"] and check["grade"] < FINE
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_objects_are_as_is_usual_but_for_the_exemptions(profile: str) -> None:
    for check, name in findings(render(profile)):
        assert check in EXEMPT or name in EXEMPT_WORKLOADS.get(check, ()), f"{name}: {check}"


def test_every_exemption_is_needed() -> None:
    found = set[tuple[str, str]]().union(*(findings(render(profile)) for profile in PROFILES))
    needed = {(check, name) for check, name in found if check not in EXEMPT}
    assert needed == {(check, name) for check, names in EXEMPT_WORKLOADS.items() for name in names}
    assert {check for check, _ in found} >= EXEMPT
