"""Matching of e-mail addresses with the patterns of a Tenant.

A pattern is an address in which ``*`` matches any run of characters without an ``@``. So
``*@tenantb.example`` never matches another domain, in whatever form an address is written.
"""

import string
from collections.abc import Iterable

__all__ = ["EMAIL_PATTERN", "fold", "get_search_term", "has_overlap", "matches", "matches_any"]

_LABEL = r"[A-Za-z0-9*]([A-Za-z0-9*-]*[A-Za-z0-9*])?"

EMAIL_PATTERN = rf"^[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}([.]{_LABEL})+$"
"""Regular expression of a pattern: an e-mail address as HTML defines it, with a dot in the domain.

It allows ``*``. The API server also refuses a ``*`` in the last two labels of the domain.
"""


def matches(pattern: str, email: str) -> bool:
    """Return True if a pattern matches an address; letter case is ignored."""
    local, at, domain = fold(email).rpartition("@")
    if not (local and at and domain) or "*" in email or "@" in local:
        return False
    pattern_local, _, pattern_domain = fold(pattern).rpartition("@")
    return _has_text_overlap(pattern_domain, domain) and _has_text_overlap(pattern_local, local)


def matches_any(patterns: Iterable[str], email: str) -> bool:
    """Return True if at least one pattern matches an address."""
    return any(matches(pattern, email) for pattern in patterns)


def has_overlap(first: str, second: str) -> bool:
    """Return True if some address matches both patterns."""
    first_local, _, first_domain = fold(first).rpartition("@")
    second_local, _, second_domain = fold(second).rpartition("@")
    return _has_text_overlap(first_domain, second_domain) and _has_text_overlap(first_local, second_local)


def get_search_term(pattern: str) -> str:
    """Return the longest literal part of a pattern, which every matching address contains."""
    return max(fold(pattern).split("*"), key=len)


_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def fold(text: str) -> str:
    """Return a text with the letters A to Z in lower case.

    Unicode case folding would map ``straße.example`` to ``strasse.example``, which can have another owner.
    """
    return text.lower() if text.isascii() else text.translate(_ASCII_LOWER)


def _has_text_overlap(first: str, second: str) -> bool:
    """Return True if some string matches both texts, in which ``*`` is a wildcard.

    Dynamic programming bounds the time by the product of the two lengths. A regular expression would have no
    such bound.
    """
    if "*" not in first and "*" not in second:
        return first == second
    if not _has_same_edges(first, second):
        return False
    # reachable[j]: first[:i] and second[:j] have a string in common.
    reachable = [set(second[:j]) <= {"*"} for j in range(len(second) + 1)]
    for char in first:
        previous, reachable = reachable, [char == "*" and reachable[0]]
        for j, other in enumerate(second):
            if "*" in (char, other):  # the star ends, or matches one more character
                reachable.append(previous[j + 1] or reachable[j])
            else:
                reachable.append(char == other and previous[j])
    return reachable[-1]


def _has_same_edges(first: str, second: str) -> bool:
    """Compare the texts before the first and after the last ``*``, which rules out most pairs."""
    head = min(first.find("*") % (len(first) + 1), second.find("*") % (len(second) + 1))
    if first[:head] != second[:head]:
        return False
    tail = min(len(first) - 1 - first.rfind("*"), len(second) - 1 - second.rfind("*"))
    return tail == 0 or first[-tail:] == second[-tail:]
