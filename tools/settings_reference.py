"""Generator of docs/reference/settings.md from settings classes: ``python -m tools.settings_reference``."""

import sys
from pathlib import Path

from databases_install.settings import DatabasesInstallSettings
from file_sync.jobs.grants import GrantsSettings
from file_sync.settings import FileSyncSettings
from gateway.settings import GatewaySettings
from n8n_install.settings import N8nInstallSettings
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings
from qdrant_snapshots.settings import SnapshotSettings
from smoke_test.settings import SmokeTestSettings
from tenant_operator.settings import OperatorSettings
from webui_install.settings import WebUIInstallSettings as InstallerSettings

__all__ = ["PAGE", "SERVICES", "render"]

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "settings.md"

SERVICES: dict[str, type[BaseSettings]] = {
    "Operator": OperatorSettings,
    "Gateway": GatewaySettings,
    "File-sync": FileSyncSettings,
    "Grants for file-sync": GrantsSettings,
    "Databases on an external Postgres": DatabasesInstallSettings,
    "Import of n8n's workflows": N8nInstallSettings,
    "Installer of Open WebUI": InstallerSettings,
    "Snapshots of Qdrant": SnapshotSettings,
    "Smoke test": SmokeTestSettings,
}

HEAD = """# Settings

*This page is generated from the code (`make reference`).*

Settings are environment variables. A program with a missing or wrong setting names it and does not start. AWS
credentials and region come from the SDK's chain (`AWS_PROFILE`, `AWS_DEFAULT_REGION`; on EKS Pod Identity),
access to Kubernetes from `KUBECONFIG` or the pod's service account.
"""


def render() -> str:
    """Return the page."""
    return "\n".join([HEAD, *(_render_section(name, settings) for name, settings in SERVICES.items())])


def _render_section(name: str, settings: type[BaseSettings]) -> str:
    prefix = settings.model_config["env_prefix"]
    rows = [
        f"| `{prefix}{field.upper()}` | {_format_default(_get_default(info))} "
        f"| {_join_lines(info.description)} |"
        for field, info in settings.model_fields.items()
    ]
    return "\n".join([f"## {name}\n", "| variable | default | meaning |", "|---|---|---|", *rows, ""])


def _get_default(info: FieldInfo) -> object:
    value: object = info.get_default(call_default_factory=True, validated_data={})
    return value


def _format_default(value: object) -> str:
    if value is PydanticUndefined:
        return "**required**"
    if isinstance(value, SecretStr):
        return "empty (a secret)"
    if isinstance(value, dict):
        return "[examples](../limits.md#what-it-costs)"
    return "empty" if value in ("", None, []) else f"`{value}`"


def _join_lines(description: str | None) -> str:
    """Return a description without line breaks, which would end the table."""
    return " ".join((description or "").split())


if __name__ == "__main__":
    PAGE.write_text(render())
    sys.stdout.write(f"wrote {PAGE.name}\n")
