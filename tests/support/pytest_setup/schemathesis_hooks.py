"""Hook for schemathesis: unique idempotency keys in sequences of calls.

Schemathesis reuses a key in a later sequence. If that repeats the deletion of a document that was stored
again meanwhile, the gateway correctly replays the first response and the document still exists. Schemathesis
would report an error. Other phases keep their keys, so they test replays.
"""

import re
import uuid
from typing import Any

import schemathesis
from gateway.api.idempotency import KEY_PATTERN
from schemathesis.generation.meta import TestPhase

__all__ = ["before_call"]

HEADER = "Idempotency-Key"


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]
) -> None:
    """Set a unique key on a request of a sequence, unless its key is invalid on purpose."""
    headers: Any = case.headers or {}
    in_sequence = case.meta is not None and case.meta.phase.name is TestPhase.STATEFUL
    if in_sequence and re.match(KEY_PATTERN, headers.get(HEADER, "")):
        headers[HEADER] = str(uuid.uuid4())
