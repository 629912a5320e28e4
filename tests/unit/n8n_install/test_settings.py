"""Tests of the job's settings and of n8n's environment variables."""

import os
import subprocess
import sys
from typing import Any

import pytest
from n8n_install.environment import ENVIRONMENT
from n8n_install.settings import N8nInstallSettings
from pydantic import ValidationError
from tenantry_local.context import REPOSITORY

GIVEN: dict[str, Any] = {
    "url": "http://n8n:5678",
    "email": "owner@tenantry.example",
    "password": "p4ssword",
    "gateway_url": "http://gateway:8080",
}


def test_four_settings_are_required() -> None:
    settings = N8nInstallSettings(**GIVEN)
    assert settings.webhook_url == ""
    assert "p4ssword" not in repr(settings)


@pytest.mark.parametrize("field", ["url", "gateway_url", "webhook_url"])
@pytest.mark.parametrize("value", ["gateway:8080", "ftp://gateway", "http://"])
def test_invalid_url_is_reported_with_its_field(field: str, value: str) -> None:
    with pytest.raises(ValidationError, match=field):
        N8nInstallSettings(**GIVEN | {field: value})


def test_missing_settings_are_reported_with_exit_status_2() -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith("N8N_INSTALL_")}
    job = [sys.executable, "-m", "n8n_install"]
    done = subprocess.run(job, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    for name in ("URL", "EMAIL", "PASSWORD", "GATEWAY_URL"):
        assert f"N8N_INSTALL_{name}: not set" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_environment_is_documented_with_its_values(name: str) -> None:
    page = (REPOSITORY / "docs" / "workflows.md").read_text()
    assert f"| `{name}` | `{ENVIRONMENT[name]}` |" in page
