"""Secrets and keys that the pods of a rendered release read."""

from collections.abc import Iterator
from typing import Any

from tests.support.charts.rendering import Release

__all__ = ["list_pod_secrets", "list_read_secrets"]


def list_read_secrets(release: Release) -> set[tuple[str, str]]:
    """Return the (Secret, key) pairs that pods read."""
    return {secret for _, pod in release.iter_pods() for secret in list_pod_secrets(pod["spec"])}


def list_pod_secrets(spec: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the (Secret, key) pairs that one pod reads."""
    return set(_iter_pod_secrets(spec))


def _iter_pod_secrets(spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for container in spec["containers"] + spec.get("initContainers", []):
        for entry in container.get("env", []):
            reference = entry.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                yield reference["name"], reference["key"]
    for volume in spec.get("volumes", []):
        secret = volume.get("secret", {})
        yield from ((secret["secretName"], item["key"]) for item in secret.get("items", []))
