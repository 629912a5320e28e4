"""Rendering of the chart with the real helm, and access to the rendered objects."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import yaml
from tenantry_local.programs import helm as installed_helm

from tools.chart_schema import CHART

__all__ = ["MONITORED", "PROFILES", "RELEASE", "HelmError", "Object", "Release", "lint", "render", "run_helm"]

PROFILES = sorted(file.name for file in CHART.glob("values-*.yaml"))

RELEASE = "demo"
"""Name of the release. It is not "tenantry", so that tests detect hard-coded names in templates."""

MONITORED = ("--api-versions", "monitoring.coreos.com/v1")
"""Options of helm for a cluster with the CRDs of prometheus-operator."""

Object = dict[str, Any]


class HelmError(Exception):
    """Helm failed; the message is helm's output."""


@dataclass(frozen=True)
class Release:
    """A rendered release.

    Parameters
    ----------
    text
        Manifests printed by helm.
    """

    text: str

    @cached_property
    def objects(self) -> list[Object]:
        """Return all objects, including hooks."""
        return [document for document in yaml.load_all(self.text, yaml.CSafeLoader) if document]

    def list_objects(self, *kinds: str) -> list[Object]:
        """Return the objects of the given kinds."""
        return [item for item in self.objects if item["kind"] in kinds]

    def get(self, kind: str, name: str) -> Object:
        """Return an object by its name without the release's."""
        (found,) = [
            item for item in self.list_objects(kind) if item["metadata"]["name"] == f"{RELEASE}-{name}"
        ]
        return found

    def iter_pods(self) -> Iterator[tuple[str, Object]]:
        """Yield the name of each workload, without the hash of a job, and its pod template."""
        for item in self.list_objects("Deployment", "StatefulSet", "Job", "CronJob", "Pod"):
            spec = item["spec"]["jobTemplate"]["spec"] if item["kind"] == "CronJob" else item["spec"]
            template = item if item["kind"] == "Pod" else spec["template"]
            yield item["metadata"]["labels"]["app.kubernetes.io/name"], template


@cache
def render(profile: str, *options: str, namespace: str = "chart-test", release: str = RELEASE) -> Release:
    """Render the chart with a profile and additional helm options.

    Raises
    ------
    HelmError
        Helm refused the values.
    """
    return Release(
        run_helm("template", release, str(CHART), "-n", namespace, "-f", str(CHART / profile), *options)
    )


def lint(profile: str, *options: str) -> str:
    """Return the output of ``helm lint --strict``; raise :class:`HelmError` on a finding."""
    return run_helm("lint", "--strict", str(CHART), "-f", str(CHART / profile), *options)


def run_helm(*arguments: str) -> str:
    """Run helm and return its output; raise :class:`HelmError` if it fails."""
    program = installed_helm.install(lambda _: None)
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise HelmError(done.stdout + done.stderr)
    return done.stdout
