"""Tests of the names of objects: releases with long or unusual names, and the overrides of names."""

import re
from collections import Counter

import pytest

from tests.support.charts.rendering import MONITORED, PROFILES, HelmError, Object, Release, render

PRODUCTION = "values-eks-prod.yaml"
EVERYTHING = (
    *MONITORED,
    "--set", "monitoring.monitorKind=ServiceMonitor,global.qdrant.tlsSecret=qdrant-tls",
    "--set", "n8n.worker.autoscaling.source=keda,global.network.kedaNamespace=keda",
)  # fmt: skip
"""Options of objects that the profiles leave out."""

LABELS = (
    r'app.kubernetes.io/instance: "?|release=\\?"|release: "?|replacement: "?|RAG-System-Health \(chart-test/'
    r'|DATABASES_INSTALL_RELEASE, value: "?chart-test/|\\"Release\\":\\"'
)
"""Beginnings of the places that have the name of the release, which does not change."""

LONGEST = "customer-support-assistant-for-the-north-american-td1"
"""A release name of 53 characters, the most that helm allows."""

UNCHANGED = ("a", "demo", "tenantry-production", "customer-support-assistant-of-emea1")
"""Release names with which every object has a valid name; the last one has 35 characters, the most."""

CHANGED = (
    LONGEST,
    f"{LONGEST[:-1]}2",
    "customer-support-assistant-of-emea12",
    "2nd-release",
    "demo.v2",
    "2026",
)
"""Release names with which a Service or a Job would have an invalid name."""

NAMESPACE = "n" * 63

DNS_LABEL = re.compile("[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
DNS_SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9.]*[a-z0-9])?")

LONGEST_NAMES = {
    "StatefulSet": 52,  # the label controller-revision-hash has a hash of ten characters
    "CronJob": 52,  # the names of its jobs have the time
    "ScaledObject": 54,  # KEDA labels its autoscaler with keda-hpa- and this name
}
"""Longest name of an object whose controller appends to it."""


def render_all(release: str, *options: str) -> list[Release]:
    """Return the release rendered with each profile, with all optional objects."""
    return [render(profile, *EVERYTHING, *options, release=release) for profile in PROFILES]


def list_names(release: Release) -> list[tuple[str, str]]:
    """Return kind and name of each object that belongs to the release, except CRDs and their policy."""
    return [(item["kind"], item["metadata"]["name"]) for item in list_own_objects(release)]


def list_own_objects(release: Release) -> list[Object]:
    """Return the objects whose names contain the release's name."""
    return [item for item in release.objects if "tenantry.io" not in item["metadata"]["name"]]


@pytest.mark.parametrize("name", [*UNCHANGED, *CHANGED])
def test_names_are_valid_for_each_kind(name: str) -> None:
    for release in render_all(name):
        for kind, found in list_names(release):
            if kind in {"Service", "Job", "StatefulSet", "CronJob", "ScaledObject"}:
                assert DNS_LABEL.fullmatch(found), (kind, found)
            assert DNS_SUBDOMAIN.fullmatch(found), (kind, found)
            assert len(found) <= LONGEST_NAMES.get(kind, 253), (kind, found)


@pytest.mark.parametrize("name", UNCHANGED)
def test_names_begin_with_a_short_release_name(name: str) -> None:
    for release in render_all(name):
        for item in list_own_objects(release):
            workload = item["metadata"]["labels"]["app.kubernetes.io/name"]
            found = item["metadata"]["name"]
            if item["kind"] == "CronJob" and found.endswith("-restore"):
                workload = "qdrant-restore"  # both jobs of snapshots are one workload
            is_for_metrics = item["kind"] == "Service" and item["spec"]["ports"][0]["name"] == "metrics"
            expected = f"{name}-{workload}-metrics" if is_for_metrics else f"{name}-{workload}"
            if item["kind"] == "Job" and "annotations" not in item["metadata"]:
                assert re.fullmatch(rf"{expected}-[0-9a-f]{{8}}", found)
            elif item["kind"] in {"ClusterRole", "ClusterRoleBinding", "PriorityClass"}:
                assert found == f"chart-test-{expected}"
            else:
                assert found == expected


@pytest.mark.parametrize("name", CHANGED)
def test_every_reference_follows_a_changed_name(name: str) -> None:
    for short, changed in zip(render_all("demo"), render_all(name), strict=True):
        (service,) = [
            item for item in changed.list_objects("Service")
            if item["metadata"]["name"].endswith("-gateway")
        ]  # fmt: skip
        prefix = service["metadata"]["name"].removesuffix("-gateway")
        text = re.sub(rf"({LABELS}){re.escape(name)}\b", r"\1demo", changed.text)
        assert replace_hashes(text.replace(prefix, "demo")) == replace_hashes(short.text)


def replace_hashes(text: str) -> str:
    """Return manifests without hashes of names: of jobs, of the realm, and the dashboard's id."""
    text = re.sub("checksum/config: [0-9a-f]+", "checksum/config: HASH", text)
    text = re.sub(r"(name: demo-[a-z-]+-)[0-9a-f]{8}$", r"\1HASH", text, flags=re.MULTILINE)
    return re.sub(r'("uid": "tenantry-)[0-9a-f]{24}"', r'\1HASH"', text)


def test_releases_in_one_namespace_share_no_name() -> None:
    counted = Counter(
        each
        for name in (*UNCHANGED, *CHANGED)
        for each in list_names(render(PRODUCTION, *EVERYTHING, release=name))
    )
    assert set(counted.values()) == {1}


def test_selectors_have_the_name_of_the_release() -> None:
    release = render(PRODUCTION, "--set", "global.fullnameOverride=chat", release=LONGEST)
    for item in release.list_objects("Deployment", "StatefulSet"):
        labels = item["spec"]["selector"]["matchLabels"]
        assert labels["app.kubernetes.io/instance"] == LONGEST


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("global.fullnameOverride=chat", "chat-gateway"),
        ("global.nameOverride=chat", "demo-chat-gateway"),
        ("global.nameOverride=demo", "demo-gateway"),  # the name of the release contains it already
        ("global.fullnameOverride=chat,global.nameOverride=other", "chat-gateway"),
    ],
)
def test_overrides_change_all_names(option: str, name: str) -> None:
    plain, changed = render(PRODUCTION, *EVERYTHING), render(PRODUCTION, *EVERYTHING, "--set", option)
    prefix = name.removesuffix("-gateway")
    assert ("Service", name) in list_names(changed)
    expected = plain.text.replace("demo-", f"{prefix}-")
    assert re.sub("-[0-9a-f]{8}$", "", changed.text, flags=re.MULTILINE) == re.sub(
        "-[0-9a-f]{8}$", "", expected, flags=re.MULTILINE
    )


@pytest.mark.parametrize("wrong", ["Chat", "chat.v2", "-chat", "c" * 36])
def test_an_override_that_is_no_valid_name_is_refused(wrong: str) -> None:
    with pytest.raises(HelmError, match="/global/fullnameOverride"):
        render(PRODUCTION, "--set", f"global.fullnameOverride={wrong}")
