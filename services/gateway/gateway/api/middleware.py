"""The gateway's request middleware: servicekit's, with timings of the stages of a request."""

from collections.abc import Mapping
from typing import Any

from servicekit.web.middleware import RequestMiddleware
from typing_extensions import override

from ..timings import RequestTimings

__all__ = ["TimedRequestMiddleware"]


class TimedRequestMiddleware(RequestMiddleware):
    """Middleware that reports the stages of each request in ``Server-Timing``."""

    @override
    def build_state(self) -> dict[str, Any]:
        return {"timings": RequestTimings()}

    @override
    def build_response_headers(self, state: Mapping[str, Any]) -> Mapping[str, str]:
        return {"Server-Timing": state["timings"].to_header()}
