"""Tests that questions during an upgrade and a rollback all succeed."""

from .installation import Installation
from .load import generate_load

TENANTRY_IMAGES = ("gateway", "operator", "file-sync")

MIN_QUESTIONS = 200
"""Minimum number of questions during the upgrade and the rollback."""


def test_no_question_fails_during_an_upgrade_and_a_rollback(demo_installation: Installation) -> None:
    before = _list_pods(demo_installation)
    with generate_load(demo_installation, users=4, pause=0.2) as load:
        demo_installation.upgrade(
            *[f"--set={name}.settings.{_read_setting(name)}=DEBUG" for name in TENANTRY_IMAGES]
        )
        upgraded = _list_pods(demo_installation)
        demo_installation.cluster.run_helm("rollback", demo_installation.release, "--wait", "--timeout=10m")
        rolled_back = _list_pods(demo_installation)
    assert not before & upgraded
    assert not upgraded & rolled_back
    assert not load.failed
    assert load.ok > MIN_QUESTIONS


def _read_setting(name: str) -> str:
    return f"{name.replace('-', '_').upper()}_LOG_LEVEL"


def _list_pods(installation: Installation) -> set[str]:
    """Return the uids of the pods of Tenantry's services."""
    cluster, release = installation.cluster, installation.release
    cluster.wait_until_ready(
        *[f"deployment/{installation.get_workload_name(name)}" for name in TENANTRY_IMAGES]
    )
    return {pod["metadata"]["uid"] for name in TENANTRY_IMAGES for pod in cluster.list_pods(release, name)}
