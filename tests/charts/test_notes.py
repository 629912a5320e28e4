"""Tests of the notes that helm prints after an installation."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.support.charts.rendering import MONITORED, PROFILES, RELEASE, Release, render, run_helm
from tools.chart_schema import CHART

NAMESPACE = "chart-test"

KINDS = {"svc": "Service", "deployment": "Deployment", "statefulset": "StatefulSet"}

SAFE_PRODUCTION = (
    "qdrant.snapshots.enabled=true",
    "global.qdrant.tlsSecret=qdrant-tls",
    'global.network.aws.cidrs=["10.0.0.0/16"]',
    'global.network.keycloak.cidrs=["203.0.113.7/32"]',
)
"""Values in addition to the production profile, with which nothing is off."""


NGINX = ["ingress.className=nginx", "ingress.alb.prefixLists=[]", "ingress.alb.webAclArn="]


def to_options(*values: str) -> list[str]:
    """Return helm options; a value that begins with a bracket is JSON."""
    return [word for value in values for word in ("--set-json" if "=[" in value else "--set", value)]


def read_notes(profile: str, *values: str) -> str:
    options = ["-f", str(CHART / profile), *to_options(*values)]
    output = run_helm("install", RELEASE, str(CHART), "--dry-run=client", "-n", NAMESPACE, *options)
    return output.partition("NOTES:\n")[2]


@pytest.fixture(scope="module")
def read_watched_notes(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Return a function that reads the notes where prometheus-operator is installed.

    A dry run of an installation knows only the kinds of Kubernetes, and helm's `template` prints no notes.
    """
    chart = shutil.copytree(CHART, tmp_path_factory.mktemp("chart") / "tenantry")
    (chart / "templates" / "notes.yaml").write_text(
        'kind: ConfigMap\ndata: {notes: {{ include (print $.Template.BasePath "/NOTES.txt") . | toJson }}}\n'
    )

    served = ("--api-versions", "custom.metrics.k8s.io/v1beta1,external.metrics.k8s.io/v1beta1")

    def read(*values: str) -> str:
        options = ["-f", str(CHART / "values-eks-prod.yaml"), *MONITORED, *served, *to_options(*values)]
        (found,) = Release(
            run_helm("template", RELEASE, str(chart), "-n", NAMESPACE, "-s", "templates/notes.yaml", *options)
        ).objects
        return str(found["data"]["notes"])

    return read


def list_limits(notes: str) -> list[str]:
    """Return the entries of the list of what is off or open."""
    part = notes.partition("Off or open in these values:\n")[2].partition("\n\nDocumentation")[0]
    return [line.strip()[2:] for line in part.splitlines() if line.startswith("  - ")]


@pytest.mark.parametrize(
    ("profile", "names"),
    [
        *((profile, []) for profile in PROFILES),
        ("values-kind.yaml", ["global.fullnameOverride=rag"]),
        ("values-kind.yaml", ["global.nameOverride=rag"]),
    ],
)
def test_commands_name_the_namespace_and_existing_objects(profile: str, names: list[str]) -> None:
    notes = read_notes(profile, "ingress.enabled=false", "global.openWebui.url=", *names)
    commands = [shlex.split(line) for line in notes.splitlines() if re.match(r" *(kubectl|helm) ", line)]
    assert len(commands) >= 7
    objects = {
        (item["kind"], item["metadata"]["name"]) for item in render(profile, *to_options(*names)).objects
    }
    for command in commands:
        if "-n" in command:
            assert command[command.index("-n") + 1] == NAMESPACE
        else:
            assert "tenant" in " ".join(command) or command[1] == "apply"  # a Tenant has no namespace
        for kind, _, name in (word.partition("/") for word in command):
            assert kind not in KINDS or (KINDS[kind], name) in objects
        assert command[0] != "helm" or RELEASE in command


@pytest.mark.parametrize("profile", PROFILES)
def test_the_printed_command_creates_a_complete_tenant(profile: str, tmp_path: Path) -> None:
    notes = read_notes(profile)
    (script,) = re.findall(r"^kubectl apply.*?^kubectl wait[^\n]+", notes, re.DOTALL | re.MULTILINE)
    (fake := tmp_path / "kubectl").write_text('#!/bin/sh\necho "$@"\n[ "$1" = wait ] || cat\n')
    fake.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    output = subprocess.run(
        ["bash", "-euc", script], env=environment, capture_output=True, text=True, check=True
    ).stdout
    applied, manifest = output.splitlines()[0], output.partition("\n")[2].rpartition("wait ")[0]
    tenant = yaml.safe_load(manifest)
    assert applied == "apply -f -"
    assert (tenant["apiVersion"], tenant["kind"]) == ("tenantry.io/v1alpha1", "Tenant")
    assert f"tenant/{tenant['metadata']['name']} " in output.splitlines()[-1]


def test_the_printed_tenant_has_the_class_of_the_release() -> None:
    assert "tenantClass" not in read_notes("values-kind.yaml")
    assert "\n  tenantClass: staging\n" in read_notes("values-kind.yaml", "global.tenantClass=staging")


def test_without_an_ingress_the_notes_name_a_port_forward() -> None:
    without = read_notes("values-kind.yaml", "ingress.enabled=false")
    assert f"svc/{RELEASE}-open-webui 8080" in without
    assert "port-forward" not in read_notes("values-eks-prod.yaml")


def test_without_open_webui_the_notes_have_no_address() -> None:
    options = ["open-webui.enabled=false", "ingress.enabled=false", "global.openWebui.adminEmail="]
    assert "Sign in" not in read_notes("values-eks-prod.yaml", *options)


def test_a_complete_production_has_nothing_off(read_watched_notes: Callable[..., str]) -> None:
    notes = read_watched_notes(*SAFE_PRODUCTION)
    assert list_limits(notes) == []
    assert "Off or open" not in notes


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["monitoring.enabled=false"], "monitoring.enabled"),
        (["qdrant.snapshots.enabled=false"], "qdrant.snapshots.enabled"),
        (["global.qdrant.tlsSecret="], "global.qdrant.tlsSecret"),
        (["qdrant.autoscaling.minReplicas=1"], "qdrant.autoscaling.minReplicas"),
        (['global.network.aws.cidrs=["0.0.0.0/0"]'], "global.network.aws.cidrs"),
        (['global.network.aws.cidrs=["10.0.0.0/8","0.0.0.0/0"]'], "global.network.aws.cidrs"),
        (['global.network.keycloak.cidrs=["0.0.0.0/0"]'], "global.network.keycloak.cidrs"),
        (["global.network.monitoringNamespace="], "global.network.monitoringNamespace"),
        (["ingress.enabled=false"], "ingress.enabled"),
        (["ingress.alb.sslPolicy=ELBSecurityPolicy-TLS13-1-2-2021-06"], "ingress.alb.sslPolicy"),
        (["ingress.alb.webAclArn="], "ingress.alb.webAclArn"),
        (NGINX, "ingress.tlsSecret"),
        ([*NGINX, "global.openWebui.url=http://chat.example.com"], "global.openWebui.url"),
        (
            ["global.keycloak.url=http://login.example.com", "global.network.keycloak.port=80"],
            "global.keycloak.url",
        ),
        (["file-sync.enabled=false"], "file-sync.enabled"),
        (["n8n.enabled=false", "open-webui.orchestrator=direct"], "n8n.enabled"),
        (["crds.install=false"], "crds.install"),
        (
            [
                "qdrant.enabled=false",
                "qdrant.snapshots.enabled=false",
                "global.qdrant.tlsSecret=",
                "global.qdrant.url=http://qdrant.example.com:6333",
                "global.network.qdrant.port=6333",
                'global.network.qdrant.cidrs=["10.0.9.0/24"]',
            ],
            "global.qdrant.url",
        ),
        (["global.postgres.tls.enabled=false"], "global.postgres.tls.enabled"),
        (["global.redis.tls.enabled=false"], "global.redis.tls.enabled"),
        (
            [
                "postgres.enabled=true",
                "n8n.postgres.host=",
                "global.network.postgres.cidrs=[]",
                "global.postgres.tls.enabled=false",
            ],
            "postgres.enabled",
        ),
        (
            [
                "redis.enabled=true",
                "n8n.redis.host=",
                "global.network.redis.cidrs=[]",
                "global.redis.tls.enabled=false",
            ],
            "redis.enabled",
        ),
        (
            [
                "keycloak.enabled=true",
                "keycloak.postgres.host=db.example.com",
                "global.keycloak.url=",
                "global.network.keycloak.cidrs=[]",
                "global.network.keycloak.port=8080",
            ],
            "keycloak.enabled",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_the_notes_name_each_value_that_is_off(
    read_watched_notes: Callable[..., str], values: list[str], said: str
) -> None:
    (only,) = list_limits(read_watched_notes(*SAFE_PRODUCTION, *values))
    assert said in only


def test_without_prometheus_operator_the_notes_name_it() -> None:
    limits = list_limits(read_notes("values-eks-prod.yaml", *SAFE_PRODUCTION))
    assert sorted(re.findall(r"until you install (\S+)", " ".join(limits))) == [
        "prometheus-adapter", "prometheus-adapter", "prometheus-operator",
    ]  # fmt: skip


def test_without_prometheus_adapter_other_sources_of_scaling_are_no_limitation() -> None:
    sources = ("n8n.worker.autoscaling.source=keda", "qdrant.autoscaling.source=metrics-server")
    limits = list_limits(read_notes("values-eks-prod.yaml", *SAFE_PRODUCTION, *sources))
    assert "prometheus-adapter" not in " ".join(limits)


def test_the_notes_of_a_demonstration_warn_of_its_known_people() -> None:
    assert any("keycloak.demo" in line for line in list_limits(read_notes("values-kind.yaml")))


@pytest.mark.parametrize("profile", PROFILES)
def test_each_profile_states_what_is_off(profile: str) -> None:
    said = " ".join(list_limits(read_notes(profile)))
    assert ("monitoring.enabled" in said) == (not render(profile).list_objects("PrometheusRule"))
