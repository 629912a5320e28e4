"""Tests of the second check of answers behind a working or broken sanitizer."""

import itertools
import random

import pytest
from gateway.answers.output_check import OutputCheck
from gateway.answers.sanitizer import AnswerFormat, AnswerSanitizer, sanitize

from tests.support.text.commonmark import find_active_markup
from tests.support.text.random_markdown import make_harmless_text, make_hostile_text

MARKDOWN = AnswerFormat.MARKDOWN


def check_text(text: str) -> str:
    check = OutputCheck()
    return check.feed(text) + check.finish()


def check_in_pieces(text: str) -> str:
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
        pytest.param("</b> [](x 'title')", "<\u200b/b> []\u200b(x 'title')", id="closing-tag-and-titled"),
        pytest.param("https://e ftp://e", "https\u200b://e ftp\u200b://e", id="schemes"),
        pytest.param("{{CHAR}} {{char}}", "{\u200b{CHAR}} {\u200b{char}}", id="names"),
        pytest.param("{{VIDEO_FILE_ID_1}}", "{\u200b{VIDEO_FILE_ID_1}}", id="video"),
        pytest.param("{{html_file_id_1}}", "{\u200b{html_file_id_1}}", id="page-by-its-number"),
        pytest.param("\\ce{ `}` `<b>`", "\\ce{ `}` `<\u200bb>`", id="code-in-which-a-command-ends"),
        pytest.param("[a `](//e.x)`", "[a `]\u200b(//e.x)`", id="code-in-a-label"),
        pytest.param("[a `]: x`", "[a `]\u200b: x`", id="code-in-a-label-of-a-definition"),
        pytest.param("| `a|<b>` |", "| `a|<\u200bb>` |", id="code-over-two-cells"),
        pytest.param("$$\n\na\n\n```\n$$<b>\n```", "$$\n\na\n\n```\n$$<\u200bb>\n```", id="formula-long-ago"),
        pytest.param("\\[ \\a\n\n```\n\\]<b>", "\\[ \\a\n\n```\n\\]<\u200bb>", id="formula-and-an-escape"),
        pytest.param(
            "```text\n```text\n```\n<b>", "```text\n```text\n```\n<\u200bb>", id="fence-behind-crossed"
        ),
        pytest.param("```\n;\n```\nhttp://e", "```\n;\n```\nhttp\u200b://e", id="behind-a-fence"),
        pytest.param(
            "`<html>`$$\n>\n```\n</html>$$", "`<html>`$$\n>\n```\n<\u200b/html>$$", id="page-around-a-fence"
        ),
        pytest.param(
            "`<html>`$$\\\n```\n</html>$$", "`<html>`$$\\\n```\n<\u200b/html>$$", id="such-a-page-and-a-break"
        ),
        pytest.param("\n\u202e```html\n}```", "\n\u202e```\u200bhtml\n}```", id="page-behind-a-mark"),
        pytest.param("\\[`<s>``\\`", "\\[`<\u200bs>``\\`", id="code-that-no-backtick-ends"),
        pytest.param("\\```js", "\\```\u200bjs", id="page-behind-a-backslash"),
        pytest.param(
            "\\b\n```txt\n]:\n```\n```http://```",
            "\\b\n```txt\n]:\n```\n```http\u200b://```",
            id="fence-of-a-label",
        ),
        pytest.param("`<@U|`", "`<\u200b@U|`", id="mention-in-a-cell"),
        pytest.param("a ` b\r\n`<b>`", "a ` b\r\n`<\u200bb>`", id="code-of-an-earlier-line"),
        pytest.param("\\\r```js\nx", "\\\r```\u200bjs\nx", id="page-behind-a-hard-break"),
        pytest.param("a\r<b>", "a\r<\u200bb>", id="behind-a-lone-return"),
        pytest.param("\\\n<b>", "\\\n<\u200bb>", id="behind-a-hard-break"),
        pytest.param("\\`<b>`", "\\`<\u200bb>`", id="behind-an-escaped-backtick"),
        pytest.param("````t`<b>", "````t`<\u200bb>", id="no-fence"),
        pytest.param("`<b>``", "`<\u200bb>``", id="code-that-is-not-ended"),
        pytest.param("```$$<b>```", "```$$<\u200bb>```", id="code-with-a-formula"),
        pytest.param("```\\[<b>```", "```\\[<\u200bb>```", id="code-with-another-formula"),
        pytest.param("```\\begin<b>```", "```\\begin<\u200bb>```", id="code-with-a-command"),
        pytest.param("\\b\n```\n\\]<b>", "\\b\n```\n\\]<\u200bb>", id="fence-that-a-bracket-may-end"),
        pytest.param("\\[\n```\n<b>\\end", "\\[\n```\n<\u200bb>\\end", id="fence-that-a-command-may-end"),
        pytest.param("\\[\n```\n[a]: x", "\\[\n```\n[a]\u200b: x", id="fence-that-a-label-may-end"),
        pytest.param("\\[\n```\n$$```js", "\\[\n```\n$$```\u200bjs", id="page-in-such-a-fence"),
    ],
)
def test_active_constructs_are_neutralised(text: str, shown: str) -> None:
    assert check_text(text) == check_in_pieces(text) == shown


@pytest.mark.parametrize("language", ["html", "svg", "xml", "css", "js", "javascript"])
def test_a_rendered_language_after_inline_backticks_is_separated(language: str) -> None:
    assert check_text(f"a ```{language}\nx\n```") == f"a ```\u200b{language}\nx\n```"


@pytest.mark.parametrize(
    "text",
    [
        "```\n]:<u>",
        "\\(`<g>`",
        "``}<e>``",
        "`[](`",
        "[`<x>`",
        "`[]` `[](`",
        "\r",
        "\\[\n```\n<b>\n\\]",
        "]:`<g>`",
        "\\\n```\nwww.e",
        "](x",
        "]( x",
        "](",
        "]: x",
        "a `}` [b] `](x)` `]: y` `<b>`",
        "\\a `}` and\n\nb]: see\n\n`<b>` $$ 5 `x`",
        "\\<b> [a]\u200b(x) https\\://e.x a\\@b.cc x<5> f[i](a b)",
        "`<b>`, **b** `c<d>` and _e_ `https://e.x`",
        "```java\nList<b> x[1](y) // http://e.x ` \n```\n`<b>`",
        "1. a\n   ```\n   <b>\n   ```",
        "no < b\n\na ` b\n\n`<b>`",
    ],
    ids=itertools.count(),
)
def test_inactive_text_is_unchanged(text: str) -> None:
    assert check_text(text) == check_in_pieces(text) == text


def test_harmless_answers_are_unchanged() -> None:
    for seed in range(300):
        text = make_harmless_text(random.Random(seed))
        assert check_text(text) == check_in_pieces(text) == text, seed


def test_sanitized_answers_are_hardly_ever_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check is stricter in a few places; a much stricter check would change harmless answers."""
    answers = [make_hostile_text(random.Random(seed)) for seed in range(500)]
    with_check = [sanitize(text, MARKDOWN) for text in answers]
    monkeypatch.setattr(OutputCheck, "feed", lambda _, text: text)
    without_check = [sanitize(text, MARKDOWN) for text in answers]
    assert sum(first != second for first, second in zip(without_check, with_check, strict=True)) <= 5


BROKEN = {
    "escapes": {
        "_neutralize": lambda self: self._show(1),
        "_neutralize_angle": lambda self: self._show_angle(),
    },
    "addresses": {"_show_address": lambda self: self._show(1)},
    "code": {"_is_code_for_all": lambda *_: True},
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize(
    "answer",
    ["![i](//e.x/i.png)", "<img src=x>", "a ` b `<img src=x>`", "[a``](x)``", "a\n\n[x]: //e.x\n\n[x]"],
)
def test_an_answer_is_safe_with_a_broken_sanitizer(
    broken: str, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, instead in BROKEN[broken].items():
        monkeypatch.setattr(AnswerSanitizer, name, instead)
    assert not find_active_markup(sanitize(answer, MARKDOWN))


def test_a_broken_sanitizer_without_the_check_is_not_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Precondition of test_an_answer_is_safe_with_a_broken_sanitizer."""
    monkeypatch.setattr(OutputCheck, "feed", lambda _, text: text)
    monkeypatch.setattr(AnswerSanitizer, "_neutralize_angle", lambda self: self._show_angle())
    assert find_active_markup(sanitize("<img src=x>", MARKDOWN))


@pytest.mark.parametrize("opener", ["`", "<b ", "```", "[a](", "x@", "{{", "\\", "$$\n\n```\n"])
def test_held_text_is_bounded(opener: str) -> None:
    check = OutputCheck()
    assert len(check.feed(opener + "a" * 10_000)) > 7_000
