"""Tests of the values that schedule and extend pods: each workload has the same ones."""

import json
import re
from typing import Any

import pytest
import yaml

from tests.support.charts.rendering import PROFILES, HelmError, Object, Release, render
from tools.chart_schema import CHART

PROFILE = "values-kind.yaml"

SECTIONS = {
    "operator": "operator",
    "gateway": "gateway",
    "file-sync": "file-sync",
    "file-sync-grants": "file-sync.grants",
    "n8n": "n8n.main",
    "n8n-webhook": "n8n.webhook",
    "n8n-worker": "n8n.worker",
    "n8n-install": "n8n.install",
    "n8n-initial-scale": "n8n.initialScale",
    "open-webui": "open-webui",
    "open-webui-migrate": "open-webui",  # it has Open WebUI's variables, and so may need its volumes
    "open-webui-install": "open-webui.install",
    "qdrant": "qdrant",
    "qdrant-snapshots": "qdrant.snapshots",
    "keycloak": "keycloak",
    "postgres": "postgres",
    "redis": "redis",
    "smoke-test": "smokeTest",
}
"""Each workload, and the section of the values with the fields of its pods."""

FIELDS: dict[str, Any] = {
    "nodeSelector": {"pool": "rag"},
    "tolerations": [{"key": "rag", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "priorityClassName": "gold",
    "podLabels": {"cost-center": "42"},
    "podAnnotations": {"example.com/team": "rag"},
    "extraVolumes": [{"name": "ca", "configMap": {"name": "company-ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/company-ca", "readOnly": True}],
}
"""A value for each field that all pods have."""

SPREAD = {"topologyKey": "rack", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"}

JOBS = {
    "databases-install", "file-sync-grants", "n8n-install", "n8n-initial-scale", "open-webui-migrate",
    "open-webui-install", "qdrant-snapshots", "smoke-test",
}  # fmt: skip


def set_json(path: str, values: dict[str, Any]) -> tuple[str, ...]:
    """Return helm's options that set fields of a section."""
    return tuple(
        option
        for key, value in values.items()
        for option in ("--set-json", f"{path}.{key}={json.dumps(value)}")
    )


def describe_pod(pod: Object) -> dict[str, Any]:
    """Return the fields of :data:`FIELDS` from a pod template."""
    metadata, spec = pod["metadata"], pod["spec"]
    return {
        "nodeSelector": spec.get("nodeSelector"),
        "tolerations": spec.get("tolerations"),
        "affinity": spec.get("affinity"),
        "priorityClassName": spec.get("priorityClassName"),
        "podLabels": {
            k: v for k, v in metadata["labels"].items() if "kubernetes.io" not in k and "helm.sh" not in k
        },
        "podAnnotations": {
            k: v
            for k, v in metadata.get("annotations", {}).items()
            if "checksum" not in k and "helm.sh" not in k
        },
        "extraVolumes": [each for each in spec.get("volumes", []) if each["name"] == "ca"],
        "extraVolumeMounts": [
            each for each in spec["containers"][0].get("volumeMounts", []) if each["name"] == "ca"
        ],
    }


def get_pods(release: Release) -> dict[str, Object]:
    """Return the pod template of each workload."""
    return dict(release.iter_pods())


def get_section(path: str) -> dict[str, Any]:
    """Return a section of the chart's values."""
    found: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    for key in path.split("."):
        found = found[key]
    return found


def test_all_workloads_are_listed() -> None:
    assert set(SECTIONS) == {name for name, _ in render(PROFILE).iter_pods()}


def test_each_section_has_all_fields() -> None:
    for name, path in SECTIONS.items():
        fields = set(FIELDS) | (
            set() if name in JOBS - {"open-webui-migrate"} else {"topologySpreadConstraints"}
        )
        assert fields <= set(get_section(path)), path


@pytest.mark.parametrize("path", sorted(set(SECTIONS.values())))
def test_fields_reach_the_pods_of_their_workload_only(path: str) -> None:
    plain, changed = (get_pods(render(PROFILE, *options)) for options in ((), set_json(path, FIELDS)))
    for name, pod in changed.items():
        if SECTIONS[name] == path:
            assert describe_pod(pod) == FIELDS, name
        else:
            assert pod == plain[name], name


@pytest.mark.parametrize("name", ["open-webui", "keycloak"])
def test_an_init_container_has_the_additional_volumes(name: str) -> None:
    pod = get_pods(render(PROFILE, *set_json(name, FIELDS)))[name]
    assert FIELDS["extraVolumeMounts"][0] in pod["spec"]["initContainers"][0]["volumeMounts"]


def test_global_fields_may_be_null() -> None:
    fields = ("nodeSelector", "tolerations", "podLabels", "podAnnotations", "imagePullSecrets")
    assert render(PROFILE, *set_json("global", dict.fromkeys(fields))).objects == render(PROFILE).objects


def test_global_fields_apply_to_all_pods_and_a_workload_adds_its_own() -> None:
    shared = {
        "nodeSelector": {"os": "linux", "pool": "shared"},
        "tolerations": [{"key": "shared", "operator": "Exists"}],
        "podLabels": {"cost-center": "1", "team": "rag"},
        "podAnnotations": {"example.com/team": "all", "example.com/owner": "platform"},
    }
    pods = get_pods(render(PROFILE, *set_json("global", shared), *set_json("gateway", FIELDS)))
    for name, pod in pods.items():
        found = describe_pod(pod)
        if name != "gateway":
            assert {key: found[key] for key in shared} == shared, name
    gateway = describe_pod(pods["gateway"])
    assert gateway["nodeSelector"] == {"os": "linux", "pool": "rag"}
    assert gateway["tolerations"] == [*shared["tolerations"], *FIELDS["tolerations"]]
    assert gateway["podLabels"] == {"cost-center": "42", "team": "rag"}
    assert gateway["podAnnotations"] == {"example.com/team": "rag", "example.com/owner": "platform"}


@pytest.mark.parametrize("path", ["global", "gateway", "n8n.worker", "file-sync.grants"])
@pytest.mark.parametrize(
    "label",
    [
        "app.kubernetes.io/name",
        "app.kubernetes.io/instance",
        "app.kubernetes.io/component",
        "app.kubernetes.io/part-of",
        "pod-template-hash",
        "controller-revision-hash",
        "statefulset.kubernetes.io/pod-name",
        "batch.kubernetes.io/job-name",
        "job-name",
        "rollouts-pod-template-hash",
    ],
)
def test_labels_of_selectors_and_controllers_are_refused(path: str, label: str) -> None:
    with pytest.raises(HelmError) as refusal:
        render(PROFILE, "--set-json", f'{path}.podLabels={{"{label}": "other"}}')
    assert f"/{path.replace('.', '/')}/podLabels" in str(refusal.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"podLabels": {"cost center": "42"}},
        {"podLabels": {"cost-center": "forty two"}},
        {"podLabels": {"cost-center": "4" * 64}},
        {"nodeSelector": {"pool": ["rag"]}},
        {"tolerations": [{"key": "rag", "operator": "Exist"}]},
        {"tolerations": [{"key": "rag", "effekt": "NoSchedule"}]},
        {"affinity": {"podAffinities": {}}},
        {"topologySpreadConstraints": [{"topologyKey": "zone"}]},
        {"topologySpreadConstraints": [{**SPREAD, "maxSkew": 0}]},
        {"extraVolumes": [{"configMap": {"name": "company-ca"}}]},
        {"extraVolumeMounts": [{"name": "ca"}]},
        {"priorityClassName": 5},
    ],
)
def test_wrong_fields_are_refused_with_their_path(wrong: dict[str, Any]) -> None:
    (field,) = wrong
    with pytest.raises(HelmError, match=f"/gateway/{field}"):
        render(PROFILE, *set_json("gateway", wrong))


@pytest.mark.parametrize("name", sorted(set(SECTIONS) - JOBS))
def test_topology_spread_constraints_replace_the_default(name: str) -> None:
    options = set_json(SECTIONS[name], {"topologySpreadConstraints": [SPREAD]})
    pod = get_pods(render(PROFILE, *options))[name]
    selector = {"matchLabels": {"app.kubernetes.io/name": name, "app.kubernetes.io/instance": "demo"}}
    assert pod["spec"]["topologySpreadConstraints"] == [{**SPREAD, "labelSelector": selector}]


@pytest.mark.parametrize("profile", PROFILES)
def test_pods_spread_over_zones_and_nodes_where_possible(profile: str) -> None:
    for name, pod in render(profile).iter_pods():
        spread = pod["spec"].get("topologySpreadConstraints", [])
        keys = [] if name in JOBS else ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        assert [each["topologyKey"] for each in spread] == keys, name
        if name != "qdrant":
            assert {each["whenUnsatisfiable"] for each in spread} <= {"ScheduleAnyway"}, name


@pytest.mark.parametrize(("peers", "zones"), [(2, 2), (3, 2), (5, 2)])
def test_peers_of_qdrant_must_be_in_different_zones(peers: int, zones: int) -> None:
    release = render("values-eks-prod.yaml", "--set", f"qdrant.autoscaling.minReplicas={peers}")
    zone, node = get_pods(release)["qdrant"]["spec"]["topologySpreadConstraints"]
    assert zone["whenUnsatisfiable"] == "DoNotSchedule"
    assert (zone["maxSkew"], zone["minDomains"]) == (1, zones)
    assert zone["nodeTaintsPolicy"] == "Honor"  # a zone without nodes for Qdrant does not count
    assert node["whenUnsatisfiable"] == "ScheduleAnyway"


def test_a_single_peer_of_qdrant_needs_no_zones() -> None:
    for each in get_pods(render(PROFILE))["qdrant"]["spec"]["topologySpreadConstraints"]:
        assert each["whenUnsatisfiable"] == "ScheduleAnyway"
        assert "minDomains" not in each


@pytest.mark.parametrize("field", [*FIELDS, "global.podLabels", "global.podAnnotations"])
def test_a_job_gets_a_new_name_when_a_field_of_its_pod_changes(field: str) -> None:
    path, _, key = field.rpartition(".")
    section = path or "file-sync.grants"
    # A mount needs its volume.
    before = set_json(section, {"extraVolumes": FIELDS["extraVolumes"]}) if key == "extraVolumeMounts" else ()
    after = (*before, *set_json(section, {key: FIELDS[key]}))
    assert find_job(render(PROFILE, *after)) != find_job(render(PROFILE, *before))


def find_job(release: Release) -> str:
    """Return the name of the job that grants rights to file-sync. The fields of a Job's pod are immutable."""
    (found,) = [
        item["metadata"]["name"]
        for item in release.list_objects("Job")
        if re.fullmatch("demo-file-sync-grants-[0-9a-f]{8}", item["metadata"]["name"])
    ]
    return str(found)
