"""E-mail patterns: which verified addresses belong to a Tenant.

A pattern is an address in which ``*`` stands for any run of characters without an ``@``. So
``*@tenantb.example`` never matches another domain, however an address is written.
"""

import string
from collections.abc import Iterable

__all__ = ["EMAIL_PATTERN", "fold", "matches", "matches_any", "overlap", "search_term"]

_LABEL = r"[A-Za-z0-9*]([A-Za-z0-9*-]*[A-Za-z0-9*])?"

EMAIL_PATTERN = rf"^[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}([.]{_LABEL})+$"
"""Shape of a pattern: an e-mail address as HTML defines it, its domain with a dot, and ``*`` in both halves.

The API server also refuses a ``*`` in the last two labels of the domain.
"""


def matches(pattern: str, email: str) -> bool:
    """Tell whether an address falls under a pattern; letter case does not count."""
    local, at, domain = fold(email).rpartition("@")
    if not (local and at and domain) or "*" in email or "@" in local:
        return False
    pattern_local, _, pattern_domain = fold(pattern).rpartition("@")
    return _overlap(pattern_domain, domain) and _overlap(pattern_local, local)


def matches_any(patterns: Iterable[str], email: str) -> bool:
    """Tell whether an address falls under at least one of the patterns."""
    return any(matches(pattern, email) for pattern in patterns)


def overlap(first: str, second: str) -> bool:
    """Tell whether some address could fall under both patterns."""
    first_local, _, first_domain = fold(first).rpartition("@")
    second_local, _, second_domain = fold(second).rpartition("@")
    return _overlap(first_domain, second_domain) and _overlap(first_local, second_local)


def search_term(pattern: str) -> str:
    """Return the longest literal run of a pattern: every matching address contains it."""
    return max(fold(pattern).split("*"), key=len)


_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def fold(text: str) -> str:
    """Lower A to Z and nothing else.

    Unicode's own folding would make ``straße.example`` the same as ``strasse.example``, and those are
    domains of two different owners.
    """
    return text.lower() if text.isascii() else text.translate(_ASCII_LOWER)


def _overlap(first: str, second: str) -> bool:
    """Tell whether two strings, in which ``*`` is a wildcard, have a string in common.

    A table instead of a regular expression: its time is bounded by the product of the two lengths,
    whatever a pattern's author writes.
    """
    if "*" not in first and "*" not in second:
        return first == second
    if not _edges_agree(first, second):
        return False
    # reachable[j]: first[:i] and second[:j] have a string in common.
    reachable = [set(second[:j]) <= {"*"} for j in range(len(second) + 1)]
    for char in first:
        previous, reachable = reachable, [char == "*" and reachable[0]]
        for j, other in enumerate(second):
            if "*" in (char, other):  # the star stands for nothing more, or takes one more character
                reachable.append(previous[j + 1] or reachable[j])
            else:
                reachable.append(char == other and previous[j])
    return reachable[-1]


def _edges_agree(first: str, second: str) -> bool:
    """Compare what stands before the first and after the last ``*``: most pairs end here."""
    head = min(first.find("*") % (len(first) + 1), second.find("*") % (len(second) + 1))
    if first[:head] != second[:head]:
        return False
    tail = min(len(first) - 1 - first.rfind("*"), len(second) - 1 - second.rfind("*"))
    return tail == 0 or first[-tail:] == second[-tail:]
