"""Local platforms for tests: the backends alone, and all programs.

Each test process starts one, on free ports and in a temporary folder. ``TENANTRY_TEST_STATE`` names the
folder of a platform that keeps running between test runs, which saves its start while you write tests.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenantry_local.platform import Platform

__all__ = ["add_open_webui", "running_platform", "running_whole_platform"]


@contextmanager
def running_platform() -> Iterator[Platform]:
    """Start the backends, and stop them at the end unless their folder is given."""
    given = os.environ.get("TENANTRY_TEST_STATE")
    if given:
        platform = Platform.ephemeral(Path(given))
        platform.up_backends()
        yield platform
        return
    with tempfile.TemporaryDirectory(prefix="tenantry-test-") as folder:
        platform = Platform.ephemeral(Path(folder))
        try:
            platform.up_backends()
            yield platform
        finally:
            platform.down()


def add_open_webui(platform: Platform) -> Platform:
    """Start Open WebUI on running backends; return the platform that contains both."""
    whole = Platform.ephemeral(platform.context.state, whole=True)
    # Its backends run already, but without its database and its bucket.
    whole.up(["postgres", "redis", "keycloak", "aws", "open-webui"])
    return whole


@contextmanager
def running_whole_platform() -> Iterator[Platform]:
    """Start all programs: the backends, our services, Open WebUI, n8n and file-sync.

    ``TENANTRY_TEST_WHOLE_STATE`` names the folder of a platform that keeps running.
    """
    given = os.environ.get("TENANTRY_TEST_WHOLE_STATE")
    if given:
        platform = Platform.ephemeral(Path(given), whole=True)
        platform.up()
        yield platform
        return
    with tempfile.TemporaryDirectory(prefix="tenantry-test-") as folder:
        platform = Platform.ephemeral(Path(folder), whole=True)
        try:
            platform.up()
            yield platform
        finally:
            platform.down()
