"""The second check makes text of what a broken sanitizer lets through, and changes nothing else."""

import random

import pytest
from gateway.answers.output_check import OutputCheck
from gateway.answers.sanitizer import AnswerFormat, AnswerSanitizer, sanitize

from tests.support.markdown import live
from tests.support.random_markdown import harmless_text, hostile_text

MARKDOWN = AnswerFormat.MARKDOWN


def checked(text: str) -> str:
    check = OutputCheck()
    return check.feed(text) + check.finish()


def checked_in_pieces(text: str) -> str:
    check = OutputCheck()
    return "".join(map(check.feed, text)) + check.finish()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("![a](//e.x)", "![a]\u200b(//e.x)", id="image"),
        pytest.param("[a](\nx)", "[a]\u200b(\nx)", id="address-on-the-next-line"),
        pytest.param("> [a\nb]: x", "> [a\nb]\u200b: x", id="definition"),
        pytest.param("<img src=x>", "<\u200bimg src=x>", id="tag"),
        pytest.param("\\\\<b>", "\\\\<\u200bb>", id="tag-behind-an-escaped-backslash"),
        pytest.param("<!-- x", "<\u200b!-- x", id="comment"),
        pytest.param("<a@b.c> <@U|x>", "<\u200ba\u200b@b.c> <\u200b@U|x>", id="in-angles"),
        pytest.param("<ab:y> <b\ufeff>", "<\u200bab:y> <\u200bb\ufeff>", id="address-in-angles"),
        pytest.param("http://e.x www.e.x a@b.cc", "http\u200b://e.x www\u200b.e.x a\u200b@b.cc", id="bare"),
        pytest.param("{{user}}", "{\u200b{user}}", id="placeholder"),
        pytest.param("*``<b>*``", "*``<\u200bb>*``", id="code-in-which-emphasis-ends"),
        pytest.param("a ` b `<b>`", "a ` b `<\u200bb>`", id="code-behind-a-stray-backtick"),
        pytest.param("$`a$` `<b>`", "$`a$` `<\u200bb>`", id="code-in-which-a-formula-ends"),
        pytest.param("| ` | `<b>` |", "| ` | `<\u200bb>` |", id="code-over-cells"),
        pytest.param(
            "$$\n\n```\n$$\n<b>\n```", "$$\n\n```\n$$\n<\u200bb>\n```", id="fence-in-which-a-formula-ends"
        ),
        pytest.param("```text\n```text\n<b>", "```text\n```text\n<\u200bb>", id="fences-that-cross"),
        pytest.param("a ```html\n<b>\n```", "a ```\u200bhtml\n<\u200bb>\n```", id="page-in-a-line"),
        pytest.param("```svg\n<b>\n```", "```\u200bsvg\n<\u200bb>\n```", id="page"),
    ],
)
def test_what_could_act_is_made_text(text: str, shown: str) -> None:
    assert checked(text) == checked_in_pieces(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "\\<b> [a]\u200b(x) https\\://e.x a\\@b.cc x<5> f[i](a b)",
        "`<b>`, **b** `c<d>` and _e_ `https://e.x`",
        "```java\nList<b> x[1](y) // http://e.x ` \n```\n`<b>`",
        "1. a\n   ```\n   <b>\n   ```",
        "no < b\n\na ` b\n\n`<b>`",
    ],
)
def test_what_cannot_act_stays(text: str) -> None:
    assert checked(text) == checked_in_pieces(text) == text


def test_it_changes_no_harmless_answer() -> None:
    for seed in range(300):
        text = harmless_text(random.Random(seed))
        assert checked(text) == checked_in_pieces(text) == text, seed


def test_it_hardly_ever_finds_anything_behind_the_sanitizer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stricter in a few places; were it much stricter, answers would be changed without a need."""
    said = [hostile_text(random.Random(seed)) for seed in range(500)]
    twice = [sanitize(each, MARKDOWN) for each in said]
    monkeypatch.setattr(OutputCheck, "feed", lambda _, text: text)
    once = [sanitize(each, MARKDOWN) for each in said]
    assert sum(first != second for first, second in zip(once, twice, strict=True)) <= 5


BROKEN = {
    "escapes": {"_break": lambda self: self._show(1), "_break_angle": lambda self: self._show_angle()},
    "addresses": {"_show_address": lambda self: self._show(1)},
    "code": {"_is_code_for_all": lambda *_: True},
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize(
    "said",
    ["![i](//e.x/i.png)", "<img src=x>", "a ` b `<img src=x>`", "[a``](x)``", "a\n\n[x]: //e.x\n\n[x]"],
)
def test_an_answer_is_safe_with_a_broken_sanitizer(
    broken: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, instead in BROKEN[broken].items():
        monkeypatch.setattr(AnswerSanitizer, name, instead)
    assert not live(sanitize(said, MARKDOWN))


def test_a_broken_sanitizer_alone_is_not_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this, the test above would prove nothing."""
    monkeypatch.setattr(OutputCheck, "feed", lambda _, text: text)
    monkeypatch.setattr(AnswerSanitizer, "_break_angle", lambda self: self._show_angle())
    assert live(sanitize("<img src=x>", MARKDOWN))


@pytest.mark.parametrize("opener", ["`", "<b ", "```", "[a](", "x@", "{{", "\\", "$$\n\n```\n"])
def test_what_never_becomes_clear_is_held_within_bounds(opener: str) -> None:
    check = OutputCheck()
    assert len(check.feed(opener + "a" * 10_000)) > 7_000
