"""Tests of e-mail patterns: matching and overlap."""

import itertools
import re
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tenancy.emails import EMAIL_PATTERN, get_search_term, has_overlap, matches, matches_any

locals_ = st.text("ab.*", min_size=1, max_size=8)
domains = st.text("ab.*", min_size=1, max_size=8)
patterns = st.builds("{}@{}".format, locals_, domains)


@st.composite
def draw_pattern_and_match(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a pattern and a matching address, with text in place of each wildcard."""
    pattern = draw(patterns)
    parts = re.split(r"(\*)", pattern)
    address = "".join(draw(st.text("abAB.-", max_size=4)) if part == "*" else part for part in parts)
    local, _, domain = address.rpartition("@")
    assume(local and domain)
    return pattern, address


@pytest.mark.parametrize(
    ("pattern", "email"),
    [
        ("diana@tenantb.example", "diana@tenantb.example"),
        ("diana@tenantb.example", "Diana@TenantB.Example"),
        ("DIANA@tenantb.example", "diana@tenantb.example"),
        ("*@tenantb.example", "a.b+c@tenantb.example"),
        ("*.tenantb@gmail.com", "diana.tenantb@gmail.com"),
        ("*@*.tenantb.example", "diana@eu.west.tenantb.example"),
        ("d*a@tenantb.example", "da@tenantb.example"),
        ("*@tenantb.example", "josé@tenantb.example"),
    ],
)
def test_address_matches_its_pattern(pattern: str, email: str) -> None:
    assert matches(pattern, email)


@pytest.mark.parametrize(
    ("pattern", "email"),
    [
        ("*@tenantb.example", "diana@eviltenantb.example"),
        ("*@tenantb.example", "diana@tenantb.example.evil.example"),
        ("*@tenantb.example", "diana@sub.tenantb.example"),
        ("*@*.tenantb.example", "diana@tenantb.example"),
        ("*.tenantb@gmail.com", "dianatenantb@gmail.com"),
        ("*.tenantb@gmail.com", "diana.tenantb@gmail.com.evil.example"),
        ("diana@tenantb.example", "diana@tenantb.example\n"),
        ("*@tenantb.example", "@tenantb.example"),
        ("*@tenantb.example", "tenantb.example"),
        ("*@tenantb.example", ""),
        ("*", "diana@tenantb.example"),
    ],
)
def test_similar_address_does_not_match(pattern: str, email: str) -> None:
    assert not matches(pattern, email)


@pytest.mark.parametrize(
    "email",
    ["a@evil.example@tenantb.example", "a@tenantb.example@evil.example", '"a@evil.example"@tenantb.example'],
)
def test_address_with_two_at_signs_matches_nothing(email: str) -> None:
    assert not matches("*@tenantb.example", email)
    assert not matches("*@*.example", email)


def test_ascii_letters_are_case_insensitive_next_to_others() -> None:
    assert matches("*@straße.example", "Diana@STRAße.Example")


def test_wildcard_in_an_address_is_literal() -> None:
    assert not matches("diana@tenantb.example", "*@tenantb.example")
    assert not matches("*@tenantb.example", "*@tenantb.example")


@pytest.mark.parametrize(
    ("pattern", "email"),
    [
        ("*@strasse.example", "diana@straße.example"),
        ("kim@tenantb.example", "\N{KELVIN SIGN}im@tenantb.example"),
        ("sam@tenantb.example", "\N{LATIN SMALL LETTER LONG S}am@tenantb.example"),
    ],
    ids=["sharp s", "kelvin sign", "long s"],
)
def test_unicode_case_folding_is_not_applied(pattern: str, email: str) -> None:
    assert not matches(pattern, email)


@given(email=st.text("ab@.", max_size=12))
def test_wildcard_does_not_match_the_at_sign(email: str) -> None:
    if matches("*@b.a", email):
        local, at, domain = email.partition("@")
        assert (bool(local), at, domain) == (True, "@", "b.a")


@given(draw_pattern_and_match())
def test_any_text_for_the_wildcards_matches(pair: tuple[str, str]) -> None:
    assert matches(*pair)


@given(draw_pattern_and_match())
def test_search_term_is_part_of_every_match(pair: tuple[str, str]) -> None:
    pattern, address = pair
    assert get_search_term(pattern) in address.lower()


def test_search_term_is_the_longest_run_of_letters() -> None:
    assert get_search_term("*.TenantB@gmail.com") == ".tenantb@gmail.com"
    assert get_search_term("a*b@*.tenantb.example") == ".tenantb.example"


def test_one_matching_pattern_is_sufficient() -> None:
    assert matches_any(["*@other.example", "diana@tenantb.example"], "diana@tenantb.example")
    assert not matches_any(["*@other.example"], "diana@tenantb.example")
    assert not matches_any([], "diana@tenantb.example")


def test_overlap_equals_the_result_of_an_exhaustive_search() -> None:
    """All pairs of short patterns are compared with all addresses that could match both."""
    texts = ["".join(letters) for size in range(4) for letters in itertools.product("ab*", repeat=size)]
    addresses = ["".join(letters) for size in range(7) for letters in itertools.product("ab", repeat=size)]
    claimed = {
        text: {word for word in addresses if re.fullmatch(text.replace("*", ".*"), word)} for text in texts
    }
    for first, second in itertools.product(texts, repeat=2):
        expected = bool(claimed[first] & claimed[second])
        assert has_overlap(f"{first}@x.y", f"{second}@x.y") == expected, (first, second)
        assert has_overlap(f"x@{first}", f"x@{second}") == expected, (first, second)


@given(first=patterns, second=patterns)
def test_overlap_is_symmetric(first: str, second: str) -> None:
    assert has_overlap(first, second) == has_overlap(second, first)


@given(draw_pattern_and_match(), patterns)
def test_two_patterns_that_match_one_address_overlap(pair: tuple[str, str], other: str) -> None:
    pattern, address = pair
    assert has_overlap(pattern, pattern)
    if matches(other, address):
        assert has_overlap(pattern, other)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("*@tenantb.example", "diana@TENANTB.example"),
        ("*.tenantb@gmail.com", "diana.*@gmail.com"),
        ("*@*.tenantb.example", "*@eu.*.tenantb.example"),
    ],
)
def test_patterns_with_a_common_address_overlap(first: str, second: str) -> None:
    assert has_overlap(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("*@tenantb.example", "*@tenanta.example"),
        ("*.tenantb@gmail.com", "*.tenanta@gmail.com"),
        ("*@tenantb.example", "*@*.tenantb.example"),
    ],
)
def test_patterns_without_a_common_address_do_not_overlap(first: str, second: str) -> None:
    assert not has_overlap(first, second)


def test_a_malicious_pattern_is_matched_quickly() -> None:
    """A backtracking regular expression with so many wildcards would never finish."""
    spiteful = f"{'*a' * 100}@x.y"
    started = time.process_time()
    assert not matches(spiteful, f"{'a' * 99}@x.y")
    assert has_overlap(spiteful, f"{'*b' * 100}*@x.y")
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    "pattern", ["*@tenantb.example", "*.tenantb@gmail.com", "*@*.tenantb.example", "o'b+c@x-y.z"]
)
def test_valid_pattern(pattern: str) -> None:
    assert re.search(EMAIL_PATTERN, pattern)


@pytest.mark.parametrize(
    "pattern", ["diana", "@x.y", "a@", "a@b", "a@@x.y", "a@x..y", "a b@x.y", "a@-x.y", "a@x.y-"]
)
def test_invalid_pattern(pattern: str) -> None:
    assert not re.search(EMAIL_PATTERN, pattern)
