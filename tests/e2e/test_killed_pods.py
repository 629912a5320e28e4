"""Pods that are killed at once, without a farewell: all comes back, and nothing is lost."""

from .demo import ALICE, DIANA, FIGURE, answers
from .installation import Installation


def test_a_pod_of_each_kind_is_killed_and_everything_is_as_before(filled: Installation) -> None:
    cluster, workloads = filled.cluster, filled.workloads()
    names = [workload.partition("/")[2].removeprefix(f"{filled.release}-") for workload in workloads]
    victims = [cluster.pods(filled.release, name)[0]["metadata"] for name in names]
    cluster.kubectl("delete", "pod", "--force", "--grace-period=0", *[victim["name"] for victim in victims])
    cluster.settled(*workloads)
    left = {pod["metadata"]["uid"] for name in names for pod in cluster.pods(filled.release, name)}
    assert not left & {victim["uid"] for victim in victims}
    dianas, alices = answers(filled, DIANA, ALICE)
    assert FIGURE in dianas["answer"]
    assert not alices["citations"]
