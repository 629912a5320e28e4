"""The real platform under the tests: everything of ``local/`` but our own two services.

Started once a run, on free ports, in a folder of its own. ``TENANTRY_TEST_STATE`` names the folder of one
that is left running between runs, for whoever writes tests.
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
    """Bring the backends up, and down again unless their folder was given."""
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
    """Bring Open WebUI up beside backends that run; return the platform that knows of both."""
    whole = Platform.ephemeral(platform.context.state, whole=True)
    # What it stands on runs already, but without its database and its bucket.
    whole.up(["postgres", "redis", "keycloak", "aws", "open-webui"])
    return whole


@contextmanager
def running_whole_platform() -> Iterator[Platform]:
    """Bring up everything: our services, Open WebUI, n8n and file-sync, too.

    ``TENANTRY_TEST_WHOLE_STATE`` names the folder of one that is left running.
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
