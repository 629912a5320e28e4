"""An upgrade and a rollback while people ask: none of them sees a failure."""

from .installation import Installation
from .load import asking

OURS = ("gateway", "operator", "file-sync")

ENOUGH = 200
"""Questions that were answered meanwhile; fewer would prove little."""


def test_no_question_fails_in_an_upgrade_and_a_rollback(filled: Installation) -> None:
    before = _pods(filled)
    with asking(filled, people=4, pause=0.2) as load:
        filled.upgrade(*[f"--set={name}.settings.{_setting(name)}=DEBUG" for name in OURS])
        upgraded = _pods(filled)
        filled.cluster.helm("rollback", filled.release, "--wait", "--timeout=10m")
        rolled_back = _pods(filled)
    assert not before & upgraded
    assert not upgraded & rolled_back
    assert not load.failed
    assert load.ok > ENOUGH


def _setting(name: str) -> str:
    return f"{name.replace('-', '_').upper()}_LOG_LEVEL"


def _pods(installation: Installation) -> set[str]:
    """Return the identities of our own pods."""
    cluster, release = installation.cluster, installation.release
    cluster.settled(*[f"deployment/{installation.name(name)}" for name in OURS])
    return {pod["metadata"]["uid"] for name in OURS for pod in cluster.pods(release, name)}
