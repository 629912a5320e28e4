"""What schemathesis cannot read in the API's description: each request has an idempotency key of its own.

It sends the same key again in another sequence of calls, and so deletes a document "again" that was stored
anew meanwhile. The answer of the first deletion is right then, and the document is still there. Other phases
keep their keys, so requests are answered again there.
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
    """Give a request of a sequence a key of its own, unless its key is wrong on purpose."""
    headers: Any = case.headers or {}
    in_sequence = case.meta is not None and case.meta.phase.name is TestPhase.STATEFUL
    if in_sequence and re.match(KEY_PATTERN, headers.get(HEADER, "")):
        headers[HEADER] = str(uuid.uuid4())
