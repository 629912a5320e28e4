"""Which Secrets, and which of their keys, a rendered release asks for."""

from collections.abc import Iterator
from typing import Any

from .charts import Release

__all__ = ["asked", "asked_by"]


def asked(release: Release) -> set[tuple[str, str]]:
    """Return each Secret's name with each key that some pod reads of it."""
    return {found for _, pod in release.pods() for found in asked_by(pod["spec"])}


def asked_by(spec: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the same of one pod."""
    return set(_of_pod(spec))


def _of_pod(spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for container in spec["containers"] + spec.get("initContainers", []):
        for entry in container.get("env", []):
            reference = entry.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                yield reference["name"], reference["key"]
    for volume in spec.get("volumes", []):
        secret = volume.get("secret", {})
        yield from ((secret["secretName"], item["key"]) for item in secret.get("items", []))
