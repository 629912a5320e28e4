"""Rate limit of calls, per tenant and process: it protects the process and needs no other system."""

import math
from collections import OrderedDict

from servicekit.token_bucket import TokenBucket

from .errors import TooManyCalls

__all__ = ["CallLimiter"]

TENANTS = 10_000
"""Most tenants whose calls are counted; the one that called longest ago is forgotten first."""


class CallLimiter:
    """Counts calls of tenants against one rate.

    Parameters
    ----------
    per_minute
        Calls of one tenant a minute; ten seconds' worth may come in one burst.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def count(self, tenant_id: str) -> None:
        """Count a call of a tenant.

        Raises
        ------
        TooManyCalls
            The tenant has made as many as it may.
        """
        bucket = self._buckets.setdefault(tenant_id, TokenBucket(self._per_minute))
        self._buckets.move_to_end(tenant_id)
        if len(self._buckets) > TENANTS:
            self._buckets.popitem(last=False)
        if seconds := math.ceil(bucket.try_acquire()):
            raise TooManyCalls(
                f"The tenant may call this service {self._per_minute} times a minute. "
                f"Try again in {seconds} s.",
                retry_after=seconds,
            )
