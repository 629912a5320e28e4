"""An answer is text: nothing in it is fetched, followed or run by whatever shows it."""

import re

import pytest
from gateway.answers.clean import Cleaner, clean
from hypothesis import example, given
from hypothesis import strategies as st

SECRET = "https://evil.example/?q=secret"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        pytest.param("It is $5 [1].", "It is $5 [1].", id="plain"),
        pytest.param(f"![chart]({SECRET}) Up.", "chart Up.", id="image"),
        pytest.param(f"See [the plan]({SECRET}).", "See the plan.", id="link"),
        pytest.param(f"See [1]({SECRET}).", "See [1].", id="link-that-looks-like-a-marker"),
        pytest.param(f"[a [b] c]({SECRET})", "a [b] c", id="brackets-in-a-label"),
        pytest.param("[a](https://evil.example/(x))", "a", id="parentheses-in-an-address"),
        pytest.param(f'[a]({SECRET} "title")', "a", id="titled"),
        pytest.param("[a](javascript:alert)", "a", id="script"),
        pytest.param(f"[a][x]\n\n[x]: {SECRET}", f"[a][x]\n\n[x] : `{SECRET}`", id="reference"),
        pytest.param(f"Go to {SECRET}.", f"Go to `{SECRET}`.", id="bare-address"),
        pytest.param(f"<{SECRET}>", f"< `{SECRET}`>", id="address-in-brackets"),
        pytest.param("HTTPS://EVIL.example/x", "`HTTPS://EVIL.example/x`", id="capitals"),
        pytest.param("www.evil.example", "`www.evil.example`", id="www"),
        pytest.param("ftp://evil.example/x", "`ftp://evil.example/x`", id="another-scheme"),
        pytest.param(f"`{SECRET}`", f"`{SECRET}`", id="code-stays"),
        pytest.param(f'<img src="{SECRET}">', f'< img src="`{SECRET}`">', id="tag"),
        pytest.param("a <b and 5 < 6 and List<String>", "a < b and 5 < 6 and List< String>", id="less-than"),
        pytest.param("In [2024] it rose [7].", "In [2024] it rose.", id="invented-marker"),
        pytest.param("See [9]: x. See [1]: y. [9](z)", "See : x. See [1] : y.", id="markers-as-links"),
        pytest.param("A [1, 2, 9].", "A [1] [2].", id="list-of-markers"),
        pytest.param("  A.\n", "A.", id="white-space-around"),
        pytest.param("<[9]img src=//evil.example>", "< img src=//evil.example>", id="tag-around-a-marker"),
        pytest.param("< [9]img src=//evil.example>", "< img src=//evil.example>", id="and-a-space"),
        pytest.param("<[](x)img>", "< img>", id="tag-around-a-link"),
        pytest.param("<[i](x)mg>", "< i mg>", id="tag-through-a-label"),
        pytest.param("<[9]!--", "< !--", id="comment-around-a-marker"),
        pytest.param("ht[9]tps://evil.example", "ht tps://evil.example", id="address-around-a-marker"),
        pytest.param("ht[tps://evil.example](x)", "ht tps://evil.example", id="address-through-a-label"),
        pytest.param("[1](//evil.example/((q)))", "[1] (//evil.example/((q)))", id="deep-link-of-a-marker"),
        pytest.param("`x http://e/![a](//evil.example)", "`x `http://e/`! a", id="image-in-an-address"),
        pytest.param("[![a](//evil.example)]: x", "[a] : x", id="image-in-a-name"),
        pytest.param("a][9](//evil.example)", "a]", id="link-around-a-marker"),
        pytest.param('**It is (so [1])** "now [2]".', '**It is (so [1])** "now [2]".', id="punctuation"),
    ],
)
def test_what_a_renderer_would_act_on_becomes_text(said: str, shown: str) -> None:
    assert clean(said, 2) == shown
    assert clean(shown, 2) == shown, "cleaning what is clean changes nothing"


def test_a_name_does_not_grow_together_where_a_marker_was() -> None:
    assert clean("www[9].evil.example", 2) == "www. evil.example"


PIECES = st.lists(
    st.sampled_from(
        ["[", "]", "(", ")", "!", "<", ">", "`", "1", "[1]", "[9]", " ", "\n", ":", "http", "s://", "://",
         "x", "evil.example", "www", ".", "](", "![", "word", "/", "é", "h", "ttps://", "[](x)", "img", ", "]
    )
    | st.text(max_size=4),
    max_size=25,
)  # fmt: skip


@given(pieces=PIECES)
@example(pieces=["[a]", "(", "http", "://x", ")"])
@example(pieces=["!", "[", "a", "]", "(x)", " ["])
@example(pieces=["", " ", "\n"])
def test_pieces_are_shown_as_the_whole_would_be(pieces: list[str]) -> None:
    cleaner = Cleaner(2)
    shown = "".join([*map(cleaner.feed, pieces), cleaner.finish()])
    assert shown == clean("".join(pieces), 2)


@given(pieces=PIECES)
def test_no_link_image_tag_or_bare_address_ever_gets_through(pieces: list[str]) -> None:
    shown = clean("".join(pieces), 2)
    assert "](" not in shown
    assert not re.search(r"<[A-Za-z/!?]", shown)
    assert not re.search(r"(?<!`)https?://\w", shown)
    assert all(int(number) in (1, 2) for number in re.findall(r"\[(\d{1,2})\]", shown))


def test_words_are_shown_as_soon_as_they_are_clear() -> None:
    cleaner = Cleaner(1)
    assert [cleaner.feed(piece) for piece in ("The budget", " is", " $5", " [", "1", "]", ".")] == [
        "The budget", " is", " $5", "", "", "", " [1]."
    ]  # fmt: skip


def test_what_never_becomes_clear_is_held_within_bounds() -> None:
    cleaner = Cleaner(1)
    shown = cleaner.feed("[" + "a" * 10_000)
    assert len(shown) > 7_000
    assert "](" not in shown + cleaner.feed("](https://evil.example)") + cleaner.finish()
