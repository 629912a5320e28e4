"""Test of the jobs that save Qdrant's collections to S3 and restore them, under the network policies."""

import json

from .demo import ALICE, DIANA, EXPECTED_ANSWER, ask_question
from .installation import Installation
from .pod_scripts import DELETE_COLLECTIONS

STOPPED = ("gateway", "file-sync", "operator")
"""Deployments that use the index: docs/how-to/snapshots.md stops them for a restore."""


def test_a_restored_index_answers_for_each_tenant_as_before(demo_installation: Installation) -> None:
    assert "Backup complete" in _run_job(demo_installation, "backup", cronjob="qdrant-snapshots")
    pods = {name: _count_pods(demo_installation, name) for name in STOPPED}
    _delete_collections(demo_installation)
    try:
        for name in STOPPED:
            _set_replicas(demo_installation, name, 0)
        output = _run_job(demo_installation, "restore", cronjob="qdrant-restore")
    finally:
        for name, count in pods.items():
            _set_replicas(demo_installation, name, count)
    assert "Restore complete" in output
    workloads = [f"deployment/{demo_installation.get_workload_name(name)}" for name in STOPPED]
    demo_installation.cluster.wait_until_ready(*workloads)
    dianas, alices = ask_question(demo_installation, DIANA, ALICE)
    assert EXPECTED_ANSWER in dianas["answer"]
    assert not alices["citations"]


def _run_job(installation: Installation, name: str, *, cronjob: str) -> str:
    """Run a job of a CronJob and return its log."""
    cluster, source = installation.cluster, installation.get_workload_name(cronjob)
    cluster.run_kubectl("delete", "job", name, "--ignore-not-found")
    cluster.run_kubectl("create", "job", name, f"--from=cronjob/{source}")
    cluster.run_kubectl("wait", "--for=condition=Complete", f"job/{name}", "--timeout=180s")
    return cluster.run_kubectl("logs", f"job/{name}")


def _delete_collections(installation: Installation) -> None:
    """Delete all collections of Qdrant, as the loss of its volume would."""
    given = {
        "url": f"http://{installation.get_workload_name('qdrant')}:6333",
        "key": installation.read_secret("tenantry-qdrant")["api-key"],
    }
    gateway = f"deployment/{installation.get_workload_name('gateway')}"
    deleted = json.loads(installation.cluster.run(gateway, DELETE_COLLECTIONS, stdin=json.dumps(given)))
    assert deleted


def _count_pods(installation: Installation, name: str) -> int:
    spec = installation.cluster.get("deployment", installation.get_workload_name(name))["spec"]
    return int(spec["replicas"])


def _set_replicas(installation: Installation, name: str, count: int) -> None:
    workload = f"deployment/{installation.get_workload_name(name)}"
    installation.cluster.run_kubectl("scale", workload, f"--replicas={count}")
