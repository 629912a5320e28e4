"""The chart as the real helm renders it, and what its objects say."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import yaml
from tenantry_local.programs import helm as installed_helm

from tools.chart_schema import CHART

__all__ = ["PROFILES", "RELEASE", "Object", "Refused", "Release", "helm", "lint", "render"]

PROFILES = sorted(file.name for file in CHART.glob("values-*.yaml"))

RELEASE = "demo"
"""Not "tenantry": a name that a template has for itself instead of the release's is then seen."""

Object = dict[str, Any]


class Refused(Exception):
    """Helm did not render; the message is its own."""


@dataclass(frozen=True)
class Release:
    """What helm would apply.

    Parameters
    ----------
    text
        The manifests, as helm printed them.
    """

    text: str

    @cached_property
    def objects(self) -> list[Object]:
        """All objects, hooks among them."""
        return [document for document in yaml.load_all(self.text, yaml.CSafeLoader) if document]

    def of(self, *kinds: str) -> list[Object]:
        """Return the objects of some kinds."""
        return [item for item in self.objects if item["kind"] in kinds]

    def get(self, kind: str, name: str) -> Object:
        """Return one object by its name behind the release's."""
        (found,) = [item for item in self.of(kind) if item["metadata"]["name"] == f"{RELEASE}-{name}"]
        return found

    def pods(self) -> Iterator[tuple[str, Object]]:
        """Yield each workload's name, without what tells runs of a job apart, and the pod that it makes."""
        for item in self.of("Deployment", "StatefulSet", "Job"):
            yield item["metadata"]["labels"]["app.kubernetes.io/name"], item["spec"]["template"]


@cache
def render(profile: str, *options: str, namespace: str = "chart-test") -> Release:
    """Render the chart with a profile and further options of helm.

    Raises
    ------
    Refused
        Helm refused the values.
    """
    return Release(
        helm("template", RELEASE, str(CHART), "-n", namespace, "-f", str(CHART / profile), *options)
    )


def lint(profile: str, *options: str) -> str:
    """Return what ``helm lint --strict`` says; it raises :class:`Refused` when there is something wrong."""
    return helm("lint", "--strict", str(CHART), "-f", str(CHART / profile), *options)


def helm(*arguments: str) -> str:
    """Run helm and return what it prints; it raises :class:`Refused` when it fails."""
    program = installed_helm.install(lambda _: None)
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(done.stdout + done.stderr)
    return done.stdout
