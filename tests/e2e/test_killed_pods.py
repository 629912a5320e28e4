"""Pods that are killed at once, without a farewell: all comes back, and nothing is lost."""

from tests.support.cluster import until_it_holds

from .demo import ALICE, DIANA, FIGURE, answers
from .installation import Installation


def test_a_pod_of_each_kind_is_killed_and_everything_is_as_before(filled: Installation) -> None:
    cluster, workloads = filled.cluster, filled.workloads()
    victims = {workload: _pods(filled, workload)[0] for workload in workloads}
    names = [name for name, _ in victims.values()]
    cluster.kubectl("delete", "pod", "--force", "--grace-period=0", *names)
    for workload, victim in victims.items():

        def is_replaced(workload: str = workload, victim: tuple[str, str] = victim) -> bool:
            return victim not in _pods(filled, workload) and cluster.is_whole(workload)

        until_it_holds(is_replaced, f"{workload} is whole again", seconds=240)
    dianas, alices = answers(filled, DIANA, ALICE)
    assert FIGURE in dianas["answer"]
    assert not alices["citations"]


def _pods(installation: Installation, workload: str) -> list[tuple[str, str]]:
    """Return names and identities: the pod of a StatefulSet comes back under its name."""
    name = workload.partition("/")[2].removeprefix(f"{installation.release}-")
    found = [pod["metadata"] for pod in installation.cluster.pods(installation.release, name)]
    return [(pod["name"], pod["uid"]) for pod in found]
