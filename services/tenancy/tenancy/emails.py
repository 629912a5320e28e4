"""E-mail patterns: which verified addresses belong to a Tenant.

A pattern is an address in which ``*`` stands for any run of characters without an ``@``. So
``*@tenantb.example`` never matches another domain, however an address is written.
"""

from collections.abc import Iterable
from functools import cache

__all__ = ["EMAIL_PATTERN", "matches", "matches_any", "overlap", "search_term"]

EMAIL_PATTERN = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9*]([A-Za-z0-9.*-]*[A-Za-z0-9*])?$"
"""Shape of a pattern: an e-mail address as HTML defines it, with ``*`` allowed in both halves."""


def matches(pattern: str, email: str) -> bool:
    """Tell whether an address falls under a pattern; letter case does not count."""
    local, at, domain = email.casefold().rpartition("@")
    pattern_local, _, pattern_domain = pattern.casefold().rpartition("@")
    if not (local and at and domain) or "*" in email or "@" in local:
        return False
    return _overlap(pattern_local, local) and _overlap(pattern_domain, domain)


def matches_any(patterns: Iterable[str], email: str) -> bool:
    """Tell whether an address falls under at least one of the patterns."""
    return any(matches(pattern, email) for pattern in patterns)


def overlap(first: str, second: str) -> bool:
    """Tell whether some address could fall under both patterns."""
    first_local, _, first_domain = first.casefold().rpartition("@")
    second_local, _, second_domain = second.casefold().rpartition("@")
    return _overlap(first_local, second_local) and _overlap(first_domain, second_domain)


def search_term(pattern: str) -> str:
    """Return the longest literal run of a pattern: every matching address contains it."""
    return max(pattern.casefold().split("*"), key=len)


@cache
def _overlap(first: str, second: str) -> bool:
    """Tell whether two strings, in which ``*`` is a wildcard, have a string in common."""
    if not first or not second:
        return set(first + second) <= {"*"}
    if first[0] == "*":
        return _overlap(first[1:], second) or _overlap(first, second[1:])
    if second[0] == "*":
        return _overlap(first, second[1:]) or _overlap(first[1:], second)
    return first[0] == second[0] and _overlap(first[1:], second[1:])
