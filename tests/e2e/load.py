"""Load of questions from a pod through the gateway's Service."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .demo import DIANA, EXPECTED_ANSWER
from .installation import Installation, get_client_pod_name
from .pod_scripts import LOAD

__all__ = ["PodLoad", "generate_load"]


@dataclass
class PodLoad:
    """Results of the questions after the load: the number of correct answers, and failures."""

    ok: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    slowest: float = 0.0


@contextmanager
def generate_load(installation: Installation, *, users: int, pause: float) -> Iterator[PodLoad]:
    """Ask questions inside the block, ``pause`` seconds between an answer and the next question."""
    url = f"http://{installation.get_workload_name('gateway')}:8080/v1/answers"
    arguments = (url, installation.fetch_token(DIANA), EXPECTED_ANSWER, str(users), str(pause))
    load = PodLoad()
    process = installation.cluster.start_program(get_client_pod_name("n8n-worker"), LOAD, *arguments)
    try:
        yield load
        output, errors = process.communicate("stop\n", timeout=120)
        assert process.returncode == 0, errors
        vars(load).update(json.loads(output))
    finally:
        process.kill()
        process.wait()
