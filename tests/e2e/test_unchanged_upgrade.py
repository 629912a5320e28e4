"""Test that an upgrade of the same version with the same values rolls out nothing."""

from .installation import Installation


def test_an_upgrade_without_changes_restarts_no_pod(installation: Installation) -> None:
    before = _list_revisions(installation)
    installation.upgrade()
    assert _list_revisions(installation) == before


def _list_revisions(installation: Installation) -> dict[str, str]:
    """Return the revision of the pods of each workload."""
    return {
        workload: item["status"].get("updateRevision")
        or item["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
        for workload in installation.list_workloads()
        if (item := installation.cluster.get(*workload.split("/")))
    }
