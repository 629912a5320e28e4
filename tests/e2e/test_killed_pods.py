"""Tests that killed pods are replaced and no data is lost."""

from tests.support.backends.cluster import wait_until_true

from .demo import ALICE, DIANA, EXPECTED_ANSWER, ask_question
from .installation import Installation


def test_answers_are_correct_after_a_pod_of_each_workload_was_killed(demo_installation: Installation) -> None:
    cluster, workloads = demo_installation.cluster, demo_installation.list_workloads()
    victims = {workload: _list_pods(demo_installation, workload)[0] for workload in workloads}
    names = [name for name, _ in victims.values()]
    cluster.run_kubectl("delete", "pod", "--force", "--grace-period=0", *names)
    for workload, victim in victims.items():

        def is_replaced(workload: str = workload, victim: tuple[str, str] = victim) -> bool:
            return victim not in _list_pods(demo_installation, workload) and cluster.is_whole(workload)

        wait_until_true(is_replaced, f"{workload} is ready again", seconds=240)
    dianas, alices = ask_question(demo_installation, DIANA, ALICE)
    assert EXPECTED_ANSWER in dianas["answer"]
    assert not alices["citations"]


def _list_pods(installation: Installation, workload: str) -> list[tuple[str, str]]:
    """Return names and uids, because a replaced pod of a StatefulSet keeps its name."""
    name = workload.partition("/")[2].removeprefix(f"{installation.release}-")
    pods = [pod["metadata"] for pod in installation.cluster.list_pods(installation.release, name)]
    return [(pod["name"], pod["uid"]) for pod in pods]
