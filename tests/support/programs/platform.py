"""Test platforms: the backends of ``local/``, optionally with all services.

A platform is started once per run, on free ports and in a separate folder. ``TENANTRY_TEST_STATE`` names the
folder of one that keeps running between runs.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenantry_local.platform import Platform

__all__ = ["add_open_webui", "run_all_parts", "run_platform"]


@contextmanager
def run_platform() -> Iterator[Platform]:
    """Run the backends; stop them at the end unless ``TENANTRY_TEST_STATE`` names their folder."""
    kept_state = os.environ.get("TENANTRY_TEST_STATE")
    if kept_state:
        platform = Platform.open_ephemeral(Path(kept_state))
        platform.start_backends()
        yield platform
        return
    with tempfile.TemporaryDirectory(prefix="tenantry-test-") as folder:
        platform = Platform.open_ephemeral(Path(folder))
        try:
            platform.start_backends()
            yield platform
        finally:
            platform.stop_all()


def add_open_webui(platform: Platform) -> Platform:
    """Start Open WebUI in addition to running backends; return the platform with both."""
    extended = Platform.open_ephemeral(platform.context.state, all_parts=True)
    # Its backends run already, but without its database and its bucket.
    extended.start_parts(["postgres", "redis", "keycloak", "aws", "open-webui"])
    return extended


@contextmanager
def run_all_parts() -> Iterator[Platform]:
    """Run all parts, with the services, Open WebUI, n8n and file-sync.

    ``TENANTRY_TEST_ALL_PARTS_STATE`` names the folder of a platform that keeps running.
    """
    kept_state = os.environ.get("TENANTRY_TEST_ALL_PARTS_STATE")
    if kept_state:
        platform = Platform.open_ephemeral(Path(kept_state), all_parts=True)
        platform.start_parts()
        yield platform
        return
    with tempfile.TemporaryDirectory(prefix="tenantry-test-") as folder:
        platform = Platform.open_ephemeral(Path(folder), all_parts=True)
        try:
            platform.start_parts()
            yield platform
        finally:
            platform.stop_all()
