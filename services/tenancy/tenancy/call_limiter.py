"""Rate limit of calls per tenant, in the memory of one process."""

import math
from collections import OrderedDict

from servicekit.token_bucket import TokenBucket

from .errors import TooManyCalls

__all__ = ["CallLimiter"]

MAX_TENANTS = 10_000
"""Maximum number of tenants whose calls are counted; the least recent caller is discarded first."""


class CallLimiter:
    """Rate limiter with a token bucket per tenant.

    Parameters
    ----------
    per_minute
        Calls of one tenant per minute; a burst has at most the calls of ten seconds.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def count(self, tenant_id: str) -> None:
        """Count a call of a tenant.

        Raises
        ------
        TooManyCalls
            The tenant exceeds its rate.
        """
        bucket = self._buckets.setdefault(tenant_id, TokenBucket(self._per_minute))
        self._buckets.move_to_end(tenant_id)
        if len(self._buckets) > MAX_TENANTS:
            self._buckets.popitem(last=False)
        if seconds := math.ceil(bucket.try_acquire()):
            raise TooManyCalls(
                f"The tenant may call this service {self._per_minute} times a minute. "
                f"Try again in {seconds} s.",
                retry_after=seconds,
            )
