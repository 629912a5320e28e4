"""People who ask without a pause, out of a pod and through the gateway's Service."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .demo import DIANA, FIGURE
from .inside import LOAD
from .installation import Installation, asker

__all__ = ["Load", "asking"]


@dataclass
class Load:
    """What became of the questions, once they are over: how many were answered rightly, what else came."""

    ok: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    slowest: float = 0.0


@contextmanager
def asking(installation: Installation, *, people: int, pause: float) -> Iterator[Load]:
    """Let people ask while the block runs, ``pause`` seconds between an answer and the next question."""
    url = f"http://{installation.name('gateway')}:8080/v1/answers"
    arguments = (url, installation.token(DIANA), FIGURE, str(people), str(pause))
    load = Load()
    asks = installation.cluster.started(asker("n8n-worker"), LOAD, *arguments)
    try:
        yield load
        said, complained = asks.communicate("stop\n", timeout=120)
        assert asks.returncode == 0, complained
        vars(load).update(json.loads(said))
    finally:
        asks.kill()
        asks.wait()
