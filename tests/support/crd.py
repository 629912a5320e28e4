"""The Tenant resource's schema as it stands in ``crds/``."""

import json
from pathlib import Path
from typing import Any

import yaml

__all__ = ["load_schema"]

DEFINITION = Path(__file__).parents[2] / "crds" / "tenants.tenantry.io.yaml"


def load_schema() -> dict[str, Any]:
    """Return the schema of the one version; aliases of the YAML are copies, so one can be changed alone."""
    (version,) = yaml.safe_load(DEFINITION.read_text())["spec"]["versions"]
    schema: dict[str, Any] = json.loads(json.dumps(version["schema"]["openAPIV3Schema"]))
    return schema
