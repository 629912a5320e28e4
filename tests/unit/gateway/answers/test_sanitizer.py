"""Tests of the Markdown sanitizer: active constructs are neutralised, other text is unchanged."""

import itertools
import random
import re

import pytest
from gateway.answers.markdown import LANGUAGES
from gateway.answers.output_check import OutputCheck
from gateway.answers.sanitizer import INVISIBLE, AnswerFormat, AnswerSanitizer, sanitize
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.text.commonmark import find_active_markup
from tests.support.text.random_markdown import make_hostile_text

TEXT, MARKDOWN = AnswerFormat
EVIL = "https://evil.example/?q=secret"
ODD = tuple(
    "\t\v\f\x1c\x1f\x85\xa0\xad\u1680\u180e\u2000\u200a\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
)
"""Spaces and space-like characters."""
FORMATS = pytest.mark.parametrize("answer_format", [TEXT, MARKDOWN])


def sanitize_in_pieces(pieces: list[str], answer_format: AnswerFormat) -> str:
    sanitizer = AnswerSanitizer(answer_format)
    return "".join([*map(sanitizer.feed, pieces), sanitizer.finish()])


@FORMATS
@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        pytest.param(f"![chart]({EVIL})", "![chart]\u200b(https\\://evil.example/?q=secret)", id="image"),
        pytest.param("[the plan](//evil.example)", "[the plan]\u200b(/\\/evil.example)", id="link"),
        pytest.param("[a](javascript:alert)", "[a]\u200b(javascript:alert)", id="script"),
        pytest.param('[a](x "title")', '[a]\u200b(x "title")', id="titled"),
        pytest.param("[a](<x y>)", "[a]\u200b(\\<x y>)", id="address-in-angles"),
        pytest.param("[a](\nx)", "[a]\u200b(\nx)", id="address-on-the-next-line"),
        pytest.param("[a [b] c](x)", "[a [b] c]\u200b(x)", id="brackets-in-a-label"),
        pytest.param("[a][x]\n\n[x]: y", "[a][x]\n\n[x]\\: y", id="definition"),
        pytest.param("> [x]:\n> y", "> [x]\\:\n> y", id="definition-in-a-quote"),
        pytest.param("[a\nb]: x", "[a\nb]\\: x", id="definition-over-two-lines"),
        pytest.param(f"Go to {EVIL}.", "Go to https\\://evil.example/?q=secret.", id="bare-address"),
        pytest.param("HTTPS://EVIL.example", "HTTPS\\://EVIL.example", id="capitals"),
        pytest.param("sftp://evil.example", "sftp\\://evil.example", id="address-in-a-word"),
        pytest.param("WWW.evil.example", "WWW\\.evil.example", id="www-in-capitals"),
        pytest.param("www.evil.example", "www\\.evil.example", id="www"),
        pytest.param("see //evil.example/x", "see /\\/evil.example/x", id="no-scheme"),
        pytest.param(f"<{EVIL}>", "\\<https\\://evil.example/?q=secret>", id="autolink"),
        pytest.param("<javascript:x>", "\\<javascript:x>", id="autolink-of-any-scheme"),
        pytest.param("<img src=x>", "\\<img src=x>", id="tag"),
        pytest.param("<img\nsrc=x>", "\\<img\nsrc=x>", id="tag-over-two-lines"),
        pytest.param('<a title=">" href=x>', '\\<a title=">" href=x>', id="tag-with-its-end-in-quotes"),
        pytest.param("a <a_b> c", "a \\<a_b> c", id="tag-with-an-underline"),
        pytest.param("<javascript:alert('x')>", "\\<javascript:alert('x')>", id="autolink-with-quotes"),
        pytest.param("<b\ufeffx=y>", "\\<b\ufeffx=y>", id="tag-with-another-space"),
        pytest.param("<form ->", "\\<form ->", id="tag-that-is-none-but-begins-a-block"),
        pytest.param(
            "\ufeff```\n![i](x)\n```", "\ufeff```\n![i]\u200b(x)\n```", id="fence-behind-a-byte-order-mark"
        ),
        pytest.param(
            "    ```\n![i](x)\n    ```", "    ```\n![i]\u200b(x)\n    ```", id="fence-that-is-indented"
        ),
        pytest.param("|a|\n|-|\n|`x|<b>`", "|a|\n|-|\n|`x|<\u200bb>`", id="code-over-cells"),
        pytest.param("\\` `<b>`", "\\` `<\u200bb>`", id="code-behind-an-escaped-backtick"),
        pytest.param("x<iframe>", "x\\<iframe>", id="tag-that-resembles-a-type"),
        pytest.param("x</question>", "x\\</question>", id="closing-tag-of-an-unknown-name"),
        pytest.param("x<y onclick=z>", "x\\<y onclick=z>", id="unknown-tag-with-attributes"),
        pytest.param("<!-- x -->", "\\<!-- x -->", id="comment"),
        pytest.param("</p>", "\\</p>", id="closing-tag"),
        pytest.param("\\\\<img src=x>", "\\\\<\u200bimg src=x>", id="after-an-escaped-backslash"),
        pytest.param("`x [a](y)", "`x [a]\u200b(y)", id="link-after-a-stray-backtick"),
        pytest.param(
            "`a\n`<img src=x>` b", "`a\n`<\u200bimg src=x>` b", id="code-that-an-earlier-line-shifts"
        ),
        pytest.param("$a ` b$ `<img src=x>`", "$a ` b$ `<\u200bimg src=x>`", id="code-that-a-formula-shifts"),
        pytest.param("$`a$` `<img src=x>`", "$`a$` `<\u200bimg src=x>`", id="formula-that-ends-in-code"),
        pytest.param(
            "*``![i](//e.x)*``", "*``![i]\u200b(/\u200b/e.x)*``", id="emphasis-that-ends-in-long-code"
        ),
        pytest.param("**a `b**<img src=x>`", "**a `b**<\u200bimg src=x>`", id="emphasis-that-ends-in-code"),
        pytest.param("[](`\\)<img src=x>`", "[]\u200b(`\\)<img src=x>`", id="no-formula-of-our-own"),
        pytest.param("[a``](x)``", "[a``]\u200b(x)``", id="code-in-a-label"),
        pytest.param("a\n\n    <img src=x>", "a\n\n    <\u200bimg src=x>", id="indented-line"),
        pytest.param(
            "$$\n\n```\n$$\n<img src=x>\n```",
            "$$\n\n```\n$$\n<\u200bimg src=x>\n```",
            id="fence-in-a-formula",
        ),
        pytest.param(
            "\\$$\n\n```\n$$<img src=x>\n```", "\\$$\n\n```\n$$<\u200bimg src=x>\n```", id="escaped-formula"
        ),
        pytest.param(
            "- a\n\n  ```\n<img src=x>\n  ```",
            "- a\n\n  ```\n<\u200bimg src=x>\n  ```",
            id="fence-that-its-list-ends",
        ),
    ],
)
def test_active_constructs_are_escaped(answer: str, shown: str, answer_format: AnswerFormat) -> None:
    assert sanitize(answer, answer_format) == shown
    assert sanitize_in_pieces(list(answer), answer_format) == shown
    assert not find_active_markup(shown)


@FORMATS
@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("x\ud801(//e.x)", "x\ud801\u200b(/\\/e.x)"),
        ("\ud801](x)", "\ud801]\u200b(x)"),
        ("\ud801: y", "\ud801\\: y"),
        ("> \ud801: y", "> \ud801\\: y"),
        ("a \ud801: y", "a \ud801: y"),
        ("\\\ud801", "\\\\\ud801"),
    ],
    ids=itertools.count(),
)
def test_a_citation_does_not_become_a_link(answer: str, shown: str, answer_format: AnswerFormat) -> None:
    assert sanitize(answer, answer_format) == shown
    assert sanitize_in_pieces(list(answer), answer_format) == shown
    assert not find_active_markup(shown.replace("\ud801", "[1]"))


@FORMATS
@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("\\( <b>", "\\( <\u200bb>"),
        ("\\[ <b>", "\\[ <\u200bb>"),
        ("\\begin{a} <b>", "\\begin{a} <\u200bb>"),
        ("\\ce{ <b>", "\\ce{ <\u200bb>"),
        ("\\pu{ <b>", "\\pu{ <\u200bb>"),
        ("\\\\ <b>", "\\\\ <\u200bb>"),
        ("\\d <b>", "\\d \\<b>"),
        ("$<b>", "$<\u200bb>"),
        ("$$_$\n\n<b>", "$$_$\n\n<\u200bb>"),
        ("\\begin\n\n<b>", "\\begin\n\n<\u200bb>"),
        ("\\\\\\c\n\n<b>", "\\\\\\c\n\n<\u200bb>"),
        ("\\*](x)", "\\*](x)"),
        ("\\[](x)", "\\[]\u200b(x)"),
        ("\\\\\n\n<v", "\\\\\n\n<\u200bv"),
        ("\\( `\\)` `<b>`", "\\( `\\)` `<\u200bb>`"),
        ("\\ce{ `}` `<b>`", "\\ce{ `}` `<\u200bb>`"),
        ("$$\n\n`$` `<b>`", "$$\n\n`$` `<\u200bb>`"),
        ("~`a~` `<b>`", "~`a~` `<\u200bb>`"),
        ("*`<b>*`", "*`<\u200bb>*`"),
        ("_``<b>_``", "_``<\u200bb>_``"),
        ("~~`<b>~~`", "~~`<\u200bb>~~`"),
        ("~~a `<b>~~`", "~~a `<\u200bb>~~`"),
        ("`a\r<b>`", "`a\r<\u200bb>`"),
        ("`$$` `<b>`", "`$$` `<\u200bb>`"),
        ("`\\[` `<b>`", "`\\[` `<\u200bb>`"),
        ("`\\begin` `<b>`", "`\\begin` `<\u200bb>`"),
        ("[a `\\]` b]: x", "[a `\\]` b]\\: x"),
        ("~`<b `", "~`<\u200bb `"),
        ("[`>`]", "[`>`]"),
        ("$$[]:x", "$$[]\u200b:x"),
        ("*(x", "*(x"),
        ("$$ [a]: x", "$$ [a]\u200b: x"),
        ("\\] [a]: x", "\\] [a]\\: x"),
        ("[[a] ``](x)``", "[[a] ``]\u200b(x)``"),
        ("$a $5 <b>", "$a $5 <\u200bb>"),
        ("- a\n  - b\n\n    ```\n    <b>\n    ```", "- a\n  - b\n\n    ```\n    <b>\n    ```"),
        ("- a\n\nb\n\n    ```\n    <b>\n    ```", "- a\n\nb\n\n    ```\n    <\u200bb>\n    ```"),
        ("- a\n\n      ```\n      <b>\n      ```", "- a\n\n      ```\n      <\u200bb>\n      ```"),
        ("<? x", "\\<? x"),
        ("}[]:x", "}[]\\:x"),
        ("0//e.x", "0//e.x"),
        (".x//e.x", ".x//e.x"),
        ("\\\\//e.x", "\\\\//e.x"),
        ("_//e.x", "_//e.x"),
        ("]`](//e.x`", "]`](//e.x`"),
        ("[]]: x", "[]]: x"),
        ("\ud801]: x", "\ud801]: x"),
        ("[a]:]: x", "[a]:]: x"),
        ("_(x", "_(x"),
        ("```\n>\n```\n]", "```\n>\n```\n]"),
        ("```\n```\n```\n```\n", "```\n```\n```\n```\n"),
        ("-\n\t<b>", "-\n\t<\u200bb>"),
        ("10. a\n\n    ```\n    <b>\n    ```\n", "10. a\n\n    ```\n    <b>\n    ```\n"),
        ("| `a|b` `<b>`", "| `a|b` `<\u200bb>`"),
        ("\\`a` `<b>`", "\\`a` `<\u200bb>`"),
        ("[a `]: x`", "[a `]\u200b: x`"),
        ("a [b] `]: x`", "a [b] `]: x`"),
        ("a\\[ `](//e.x)`", "a\\[ `]\u200b(/\u200b/e.x)`"),
        ("a `]:` `<b>`", "a `]:` `<b>`"),
        ("a `}` `<b>`", "a `}` `<b>`"),
        ("\\[\n\n```\n\\]<b>\n```", "\\[\n\n```\n\\]<\u200bb>\n```"),
        ("\\begin{a}\n\n```\n\\end{a}<b>\n```", "\\begin{a}\n\n```\n\\end{a}<\u200bb>\n```"),
        ("[a\n```\n]: x\n```", "[a\n```\n]\u200b: x\n```"),
    ],
    ids=itertools.count(),
)
def test_code_is_unchanged_only_if_no_construct_can_end_in_it(
    answer: str, shown: str, answer_format: AnswerFormat
) -> None:
    assert sanitize(answer, answer_format) == shown
    assert sanitize_in_pieces(list(answer), answer_format) == shown


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("$x[1]$ and \\[ e[1] \\]", "$x[1]$ and \\[ e[1] \\]"),
        ("$`>`$x[1]", "$`>`$x[1\u200b]"),
        ("in$[1]$", "in$[1\u200b]$"),
        ("[\\b$[1]$", "[\\b$[1\u200b]$"),
        ("\\<$[1]$", "\\<$[1\u200b]$"),
        (".x$[1]$", ".x$[1\u200b]$"),
        ("<$[1]$", "\\<$[1\u200b]$"),
        ("$[1]$a", "$[1\u200b]$a"),
        ("$x $$[1]$", "$x $$[1\u200b]$"),
        ("$a\nb[1]$", "$a\nb[1\u200b]$"),
        ("*$a*[1]$", "*$a*[1\u200b]$"),
        ("\\$[1]$", "\\$[1\\]$"),
        ("\\]$[1]$", "\\]$[1]$"),
        ("\\([1]", "\\([1\u200b]"),
        ("$\\(\\([1]\\)", "$\\(\\([1\u200b]\\)"),
        (".\\[\n[1]\n\\]", ".\\[\n[1\u200b]\n\\]"),
        ("\\[\nx[1]\n\\]", "\\[\nx[1]\n\\]"),
        ("\\[\nx[1]\n\n\\]", "\\[\nx[1\u200b]\n\n\\]"),
        ("$$\nx[1]\n$$", "$$\nx[1]\n$$"),
        ("$$\nx[1]$$", "$$\nx[1\u200b]$$"),
        ("$\n\n$[1]$", "$\n\n$[1]$"),
        ("\\[\n  \nx[1]\n\\]", "\\[\n  \nx[1\u200b]\n\\]"),
        ("$[1]\\$ x", "$[1\u200b]\\$ x"),
        ("$[1]$$ x", "$[1\u200b]$$ x"),
        ("$$[1]$$ x", "$$[1\u200b]$$ x"),
        ("\\([1]\\\\) x", "\\([1\u200b]\\\\) x"),
        ("\\([1]\\)a", "\\([1\u200b]\\)a"),
        ("\\[[1]\\]a", "\\[[1\u200b]\\]a"),
        ("\\[[1]\\\\] x", "\\[[1\u200b]\\\\] x"),
        ("x [1]", "x [1\\]"),
    ],
    ids=itertools.count(),
)
def test_a_number_is_unchanged_only_in_a_formula(answer: str, shown: str) -> None:
    assert sanitize(answer, MARKDOWN) == shown
    assert sanitize_in_pieces(list(answer), MARKDOWN) == shown


@pytest.mark.parametrize("begin", [">", "#", "|", "+", "*", "`", "~", "=", "-", "1.", "1)", ":::"])
def test_a_block_ends_a_formula(begin: str) -> None:
    assert sanitize(f"\\[\nx[1]\n{begin} a\n\\]", MARKDOWN) == f"\\[\nx[1\u200b]\n{begin} a\n\\]"


@FORMATS
def test_hostile_answers_are_safe_without_the_second_check(
    answer_format: AnswerFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sanitizer leaves mail addresses unchanged in format ``text``, so the test removes them."""
    monkeypatch.setattr(OutputCheck, "feed", lambda _, text: text)
    for seed in range(500):
        answer = make_hostile_text(random.Random(seed)).replace("<m@e.x>", "")
        assert not find_active_markup(sanitize(answer, answer_format)), seed


@pytest.mark.parametrize(
    ("answer", "text", "markdown"),
    [
        pytest.param(
            "~~~a|b\n|---|---|\n<b>", "~~~a|b\n|---|---|\n<\u200bb>", "```text\n|---|---|\n<b>\n```",
            id="fence-that-may-be-the-head-of-a-table",
        ),
        pytest.param(
            '```\n```s\n```\n<f e="">', '```\n```s\n```\n\\<f e="">', '```\n``\u200b`s\n```\n\\<f e="">',
            id="fence-that-its-first-bare-line-ends",
        ),
        pytest.param(
            "- a\n  ```\n http://e", "- a\n  ```\n http\u200b://e", "- a\n\n  ```\n http\u200b://e\n```",
            id="fence-that-a-line-leaves",
        ),
        pytest.param("~~~\r:\n]:", "~~~\r:\n]:", "```\n:\n]:\n```", id="label-only-in-a-fence"),
        pytest.param("```\n```h\n<g", "```\n```h\n<g", "```\n``\u200b`h\n<g\n```", id="tag-in-a-fence"),
        pytest.param("[\n~~~\n\v", "[\n~~~\n\v", "[\n\n```\n\v\n```", id="blank-line-in-a-fence"),
        pytest.param("```<`<u>", "```<`<\u200bu>", "``\u200b`<`<\u200bu>", id="no-fence-of-backticks"),
        pytest.param(
            "~~~\n ``````js\ni", "~~~\n ``````js\ni", "```\n ``\u200b``\u200b``js\ni\n```", id="page-in-it"
        ),
        pytest.param("```\n\\```", "```\n\\```", "```\n\\``\u200b`\n```", id="escaped-fence-in-a-fence"),
        pytest.param("$$\n```\n<b", "$$\n```\n<b", "$$\n\n```\n<b\n```", id="tag-behind-a-formula"),
        pytest.param("~~~", "~~~", "```\n```", id="only-a-fence"),
        pytest.param("~~~\n`", "~~~\n`", "```\n`\n```", id="backtick-in-a-fence"),
        pytest.param("x ~~~ y", "x ~~~ y", "x ~~\u200b~ y", id="run-of-tildes"),
        pytest.param("$```", "$```", "$``\u200b`", id="run-of-backticks"),
        pytest.param("`>```", "`>```", "`>``\u200b`", id="run-of-other-backticks"),
        pytest.param("a\n\n`\\`[1]", "a\n\n`\\`[1]", "a\n\n`\\`[1\\]", id="backslash-in-code"),
        pytest.param(
            ")\n    ```<v>", ")\n    ```<\u200bv>", ")\n\n    ```text\n```",
            id="fence-that-is-indented-in-text",
        ),
        pytest.param(
            "```\n```~~~\n<img src=x>", "```\n```~~~\n<\u200bimg src=x>",
            "```\n``\u200b`~~~\n<img src=x>\n```",
            id="fence-that-not-all-see-closed",
        ),
        pytest.param(
            "```\n```~~~\n\n```\n<img src=x>", "```\n```~~~\n\n```\n<\u200bimg src=x>",
            "```\n``\u200b`~~~\n\n```\n\\<img src=x>", id="fence-after-one-that-not-all-see-closed",
        ),
        pytest.param(
            "~~~\n```html\n<b>\n```\n~~~", "~~~\n```html\n<b>\n```\n~~~",
            "```\n``\u200b`html\n<b>\n``\u200b`\n```",
            id="fence-in-a-fence",
        ),
        pytest.param(
            "`````md\n````\n`````", "`````md\n````\n`````", "```md\n``\u200b``\n```", id="long-fence",
        ),
        pytest.param("```\n<script>", "```\n<script>", "```\n<script>\n```", id="fence-without-an-end"),
    ],
)  # fmt: skip
def test_all_fences_for_open_webui_are_backticks_without_nesting(
    answer: str, text: str, markdown: str
) -> None:
    assert (sanitize(answer, TEXT), sanitize(answer, MARKDOWN)) == (text, markdown)
    assert (sanitize_in_pieces(list(answer), TEXT), sanitize_in_pieces(list(answer), MARKDOWN)) == (
        text,
        markdown,
    )
    assert not find_active_markup(text)
    assert not find_active_markup(markdown)


@FORMATS
@pytest.mark.parametrize(
    "answer",
    [
        "It is $5,000,000.",
        "  A.\n",
        "a <b and 5 < 6 and x<5>",
        "[note] (see below), f[i](x y), [year]: a year",
        "http:// is a scheme, www is a name, and//or",
        "`std::vector<int>`, `<img src=x>`, ``a ` <b>`` and `https://intranet.example/a`",
        "$x[1]$, $x \\in [0, 1]$, \\(a[1]\\) and \\[ e[1] \\]",
        "$a_{1} < b$, \\(x^2\\) and \\[ \\sum_{i=1}^n x_i \\]",
        "$$\n\\int_0^1 f(x)\\,dx\n$$\n",
        '```json\n{"ports": [7], "url": "https://a.example", "mail": "a@b.example"}\n```\n',
        "```java\nMap<String, List<int>> m = new HashMap<>();\nint x = limits[2];\n```\n",
        "\\[\n\\sum_{i=1}^n x[1]\n\\]\n\n$$b[2] + [0, 1]$$\n",
        "Like so:\n\n```yaml\n---\na: <b>\n---\n```\n\nand on.",
        "1. Do this:\n   ```bash\n   curl https://a.example | sh <<EOF\n   EOF\n   ```\n2. Done.",
        "```\n<div>www.a.example</div>\n```\n",
        "**b** `c<d>` and _e_ `https://a.example`, [f] `[g](h)`",
        "\\<b> is escaped",
        "| a | b |\n|---|---|\n| *1* | **2** |\n",
        "> quote\n\n- one\n- [x] two\n\n# Title\n---\n",
        "中文**粗体**&lt;b&gt; é \u2028",
        "a ` stray, \\` escaped, ~~gone~~, {{ value }}",
        "{a} {{b, user@host, a@ b, 3 @ 5, a: b:c ::, a/b ./c, x. y.z, $5 $$, 2 > 1 ~ 0",
        "- a\n\n  ```\n  x\n  ```\n\n`<b>`",
    ],
)
def test_inactive_text_is_unchanged(answer: str, answer_format: AnswerFormat) -> None:
    assert sanitize(answer, answer_format) == answer
    assert sanitize_in_pieces(list(answer), answer_format) == answer


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        pytest.param("[1, 3] litres", "[1, 3\\] litres", id="range"),
        pytest.param('"ports": [7]', '"ports": [7\\]', id="list"),
        pytest.param("limits[2]", "limits[2\\]", id="index"),
        pytest.param("std::vector<int>", "std::vector\\<int>", id="type"),
        pytest.param("<name@a.example>", "\\<name\\@a.example>", id="name-in-angles"),
        pytest.param("ask name@a.example", "ask name\\@a.example", id="bare-mail-address"),
        pytest.param("x [^1]", "x [^1\\]", id="footnote"),
        pytest.param(":::writing\n", ":\\::writing\n", id="colon-fence"),
        pytest.param("{{VIDEO_FILE_ID_1}}", "{\\{VIDEO_FILE_ID_1}}", id="video"),
        pytest.param("{{html_file_id_1}}", "{\\{html_file_id_1}}", id="page"),
        pytest.param("<#C:1|x>", "\\<#C:1|x>", id="mention-of-a-channel"),
        pytest.param("<$S:1|x>", "\\<$S:1|x>", id="mention-of-a-skill"),
        pytest.param("<style>x", "<\u200bstyle>x", id="style-found-by-its-letters"),
        pytest.param("<html>x", "<\u200bhtml>x", id="page-found-by-its-letters"),
        pytest.param("x [1#2]", "x [1\u200b#2]", id="part-of-a-source"),
        pytest.param("{{USER}}", "{\\{USER}}", id="placeholder"),
        pytest.param("<@U:1|x>", "\\<@U:1|x>", id="mention"),
        pytest.param(
            "<script>x</script>", "<\u200bscript>x<\u200b/script>", id="script-found-by-its-letters"
        ),
        pytest.param("<details>\nx", "<\u200bdetails>\nx", id="details-at-the-start-of-a-block"),
        pytest.param("```\rsvg\n```", "```\nsvg\n```", id="page-behind-a-lone-return"),
        pytest.param("a [1#x]", "a [1\u200b#x]", id="number-with-a-part"),
        pytest.param("\\```js\na", "\\``\u200b`js\na", id="fence-found-by-its-letters"),
        pytest.param("`</script>`", "`<\u200b/script>`", id="script-in-code"),
        pytest.param("a\n\n    x[1]", "a\n\n    x[1\u200b]", id="number-in-an-indented-line"),
        pytest.param("```html\n<b>\n```", "```text\n<b>\n```", id="fence-that-is-rendered"),
        pytest.param("$$\na\n$$```html\nx", "$$\na\n$$``\u200b`html\nx", id="fence-behind-a-formula"),
        pytest.param("$$\na\n$$~~~html\nx", "$$\na\n$$~~\u200b~html\nx", id="fence-of-tildes-behind-it"),
        pytest.param("\\<details>", "\\<\u200bdetails>", id="escaped-details"),
        pytest.param("\\(```\\```", "\\(``\u200b`\\``\u200b`", id="code-that-a-formula-may-end-in"),
        pytest.param("0\n```", "0\n\n```\n```", id="fence-that-may-be-a-heading-some-day"),
        pytest.param("x\n ```\n```", "x\n\n ```\n```", id="fence-that-another-does-not-end"),
        pytest.param("\\:::a", "\u200b\\:::a", id="escaped-colon-fence"),
        pytest.param("$\n   ```", "$\n\n   ```\n   ```", id="fence-that-is-ended-as-it-is-indented"),
        pytest.param("\n0. `\n    ```", "\n0. `\n\n    ```\n    ```", id="such-a-fence-in-a-list"),
        pytest.param("-\n```\n ```", "-\n```\n```", id="fence-whose-end-is-indented"),
        pytest.param(">```t", ">```text\n```", id="language-in-a-quote"),
        pytest.param("\\]\\:", "\\]\u200b\\:", id="escaped-colon-behind-a-formula"),
        pytest.param("$[1]`](`", "$[1\u200b]`](`", id="number-before-code"),
        pytest.param("s\n```\n```\n=-", "s\n```\n```\n=-", id="no-underline"),
        pytest.param("a@```", "a@``\u200b`", id="fence-behind-an-at-sign"),
        pytest.param("  ```", "  ```\n```", id="fence-behind-spaces"),
        pytest.param("\x85\n```", "\x85\n\n```\n```", id="fence-behind-an-odd-line"),
        pytest.param("`\n \n```", "`\n \n```\n```", id="fence-behind-a-blank-line"),
        pytest.param("\\\n```", "\\\n\n```\n```", id="fence-behind-a-hard-break"),
        pytest.param(">```", ">```\n```", id="fence-in-a-quote"),
        pytest.param("-\n```\n```\n=", "-\n```\n```\n\n=", id="underline-that-would-make-a-heading"),
        pytest.param("_``:::a_``", "_``:\u200b::a_``", id="colon-fence-in-code-that-emphasis-ends"),
        pytest.param("$$\n```\n\\]<b>", "$$\n\n```\n\\]<\u200bb>\n```", id="formula-that-ends-in-a-fence"),
        pytest.param(
            "\\\\\n```\n\\end{<b>", "\\\\\n\n```\n\\end{<\u200bb>\n```", id="formula-that-its-command-ends"
        ),
        pytest.param("]\n```\n-$\n\n", "]\n```\n-$\n\n```", id="fence-with-a-blank-line"),
        pytest.param("x ~~~~~ y", "x ~~\u200b~~\u200b~ y", id="fence-of-five-tildes"),
        pytest.param("x ````` y", "x ``\u200b``\u200b` y", id="fence-of-five-backticks"),
        pytest.param("x ~~ y ~~", "x ~~ y ~~", id="no-fence"),
        pytest.param(
            "Text\n```\n<b>\n---\n```", "Text\n\n```\n<b>\n---\n```", id="fence-that-would-be-a-heading"
        ),
        pytest.param(
            "Text\r```\r<b>\r---\r```", "Text\r\r```\n<b>\r---\r```", id="such-a-fence-with-returns"
        ),
        pytest.param(
            "Text\r\n```\r\n<b>\r\n---\r\n```",
            "Text\r\n\n```\r\n<b>\r\n---\r\n```",
            id="such-a-fence-with-both",
        ),
        pytest.param("Text\n```\nx\n```\n---\n", "Text\n```\nx\n```\n\n---\n", id="rule-that-would-be-one"),
    ],
)
def test_text_that_open_webui_would_not_display_verbatim_is_escaped(answer: str, shown: str) -> None:
    assert sanitize(answer, MARKDOWN) == shown
    assert sanitize_in_pieces(list(answer), MARKDOWN) == shown
    assert not find_active_markup(shown)


@pytest.mark.parametrize(
    "space", [" ", *"\t\v\f\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000\ufeff", " \t\xa0"]
)
@pytest.mark.parametrize("sign", ["-", "==="])
def test_a_fence_is_not_read_as_a_heading_while_streamed(sign: str, space: str) -> None:
    """Open WebUI strips spaces from the end of a partial answer, which then ends with the underline."""
    answer = f"Text\n```\n![x](//a.example)\n{sign}{space}\n\nx\n```"
    assert (
        sanitize_in_pieces(list(answer), MARKDOWN)
        == sanitize(answer, MARKDOWN)
        == answer.replace("\n", "\n\n", 1)
    )


@FORMATS
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("address", ["http://a.example", "//a.example", "/a", "a"])
def test_an_address_after_a_space_like_character_is_escaped(
    address: str, odd: str, answer_format: AnswerFormat
) -> None:
    """JavaScript and Python disagree about which characters are spaces."""
    for answer in (f"![x]({odd} {address})", f"[x]({address} {odd}'t')", f"[x]:{odd} {address}"):
        shown = sanitize(answer, answer_format)
        assert re.search(r"\](?:[\\\u200b]+[(:]|\\?:\u200b)", shown), shown
        assert sanitize_in_pieces(list(answer), answer_format) == shown


@FORMATS
@pytest.mark.parametrize(
    "odd", [*(chr(code) for code in range(1, 32) if code not in range(9, 14)), "\x7f", "\x85"]
)
def test_an_address_in_angle_brackets_with_a_control_is_escaped(
    odd: str, answer_format: AnswerFormat
) -> None:
    for answer in (f"<tel:12{odd}3>", f"<https://a.example{odd}>"):
        assert re.search(r"(?:\\<|<\u200b)(?:tel|https)", sanitize(answer, answer_format))


@FORMATS
def test_an_address_with_an_escaped_tab_is_escaped(answer_format: AnswerFormat) -> None:
    assert "](" not in sanitize("[x](\\\thttp://a.example)", answer_format)


@pytest.mark.parametrize("odd", ODD[1:])
def test_a_space_like_character_starts_no_mention_or_source_number(odd: str) -> None:
    assert "<@" not in sanitize(f"<@{odd}|x>", MARKDOWN).replace("\\<", "")
    assert not re.search(r"(?<!\\)\[1,\s*\ufeff?\s*2\]", sanitize(f"x [1,{odd}2]", MARKDOWN))


@pytest.mark.parametrize(
    ("fence", "is_seen_by_all"),
    [
        pytest.param("```\nx\n   ```", True, id="indented"),
        pytest.param("````\n```\nx\n`````\r", True, id="longer"),
        pytest.param("```\n    ```", False, id="indented-too-far"),
        pytest.param("- a\n\n  ```\n   ```", False, id="off-its-fence-in-a-list"),
        pytest.param("```\nx\n```\t", False, id="with-a-tab"),
    ],
)
def test_code_after_a_fence_requires_an_unambiguous_end(fence: str, *, is_seen_by_all: bool) -> None:
    code = "`<b>`" if is_seen_by_all else "`<\u200bb>`"
    assert sanitize(f"{fence}\n\n`<b>`", TEXT) == f"{fence}\n\n{code}"


@FORMATS
@pytest.mark.parametrize(
    "before",
    [
        *"!#$%&*+,-./:;=>?@[]^_`{|}~",
        "a@",
        "a.b",
        "[a",
        "www",
        "{{",
        "::",
        "$$",
        "**",
        "//",
        "a/",
        "a//",
        "http:/",
    ],
)
def test_no_preceding_character_hides_an_active_construct(before: str, answer_format: AnswerFormat) -> None:
    for answer in (f"{before}<img src=x>", f"x {before}<img src=x>", f"a\n\n{before}<img src=x>"):
        shown = sanitize(answer, answer_format)
        assert "<img" not in shown.replace("\\<img", "")
        assert not find_active_markup(shown)


@pytest.mark.parametrize(
    "answer",
    [
        "[1, 3] litres",
        '"ports": [7]',
        "limits[2]",
        "std::vector<int>",
        ".x<t>",
        "Box<X>",
        "<name@a.example>",
        "a@b.example",
    ],
)
def test_a_construct_is_unchanged_in_format_text(answer: str) -> None:
    assert sanitize(answer, TEXT) == answer


@pytest.mark.parametrize(
    "info", ["html", "HTML", "svg", "css", "js", "javascript", "mermaid", "vega", "vega-lite", "xml",
             "python", "py",
             "html title=x", "ht\\ml", " html", "diff", "\x85"]
)  # fmt: skip
@pytest.mark.parametrize("opener", ["```", "~~~", "````", "   ```", "- ```", "> ```"])
def test_a_fence_language_that_open_webui_renders_or_runs_is_replaced(opener: str, info: str) -> None:
    shown = sanitize(f"{opener}{info}\nx\n", MARKDOWN)
    assert shown.splitlines()[0] == re.sub("[`~]+", "```", opener) + "text"


@pytest.mark.parametrize("info", sorted(LANGUAGES))
def test_a_highlighted_fence_language_is_unchanged(info: str) -> None:
    assert sanitize(f"```{info}\nx\n```", MARKDOWN) == f"```{info}\nx\n```"


ATOMS = st.sampled_from(
    ["`", "``", "```", "~~~", "~", "$", "$$", "\\(", "\\[", "\\]", "*", "_", "[", "]", "(", ")", "![", "](",
     "]:",
     "<img src=x>", "<b", "<!--", "<details>\n", "<@U:1>", "<http://e.x>", "http://e.x", "//e.x", "www.e.x",
     "a@b.cc", "\\", "\n", "\n\n", "\r\n", " ", "    ", "- ", "> ", "|", "---\n", ":::a\n", "{{user}}",
     "html",
     "\n```\n", "\n```html\n", "x", "word", "é", "[1]", "[^1]", "[1#", "\ud801", "`<img src=x>`",
     "`](//e.x)`"]
) | st.text(max_size=3)  # fmt: skip
PIECES = st.lists(ATOMS, max_size=25)


@given(PIECES, st.sampled_from([TEXT, MARKDOWN]))
@example(["[a]", "(", "http", "://x", ")"], TEXT)
@example(["~", "~", "~html\n"], MARKDOWN)
def test_the_result_does_not_depend_on_the_pieces(pieces: list[str], answer_format: AnswerFormat) -> None:
    whole = sanitize("".join(pieces), answer_format)
    assert sanitize_in_pieces(pieces, answer_format) == whole
    assert sanitize_in_pieces(list("".join(pieces)), answer_format) == whole


@given(PIECES)
def test_no_active_construct_remains(pieces: list[str]) -> None:
    assert not find_active_markup(sanitize("".join(pieces), MARKDOWN).replace("\ud801", "[1]"))


@given(PIECES)
def test_only_escapes_and_invisible_characters_are_added(pieces: list[str]) -> None:
    answer = "".join(pieces)
    shown = iter(sanitize(answer, TEXT))
    added = []
    for character in answer:
        while (emitted := next(shown)) != character:
            added.append(emitted)
    assert {*added, *shown} <= {"\\", INVISIBLE}


CHARACTERS = st.characters(
    exclude_categories=["Cs", "Cc", "Zl", "Zp"], include_characters="\n", exclude_characters="<[]@{:/.`~$\\"
)
ODD_MARGIN = re.compile(r"(?m)^ *(?! )[^\S\n]|^ {4}")
"""Start of a line that renderers read differently; its code may get an invisible character."""

QUIET = st.lists(
    st.text(CHARACTERS, max_size=12)
    | st.sampled_from(
        ["`code`", "`a<b>`\n\n", '\n\n```json\n{"a": [1]}\n```\n\n', "$x_1$ ", "\\(y\\) ", "\n\n- item\n",
         "5 < 6 ",
         "**bold** ", "\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n", "a: b. ", "1/2 ", "(see [note]) ",
         "~~old~~ "]
    ),
    max_size=12,
).filter(lambda pieces: not ODD_MARGIN.search("".join(pieces)))  # fmt: skip


@given(QUIET, st.sampled_from([TEXT, MARKDOWN]))
def test_text_without_active_constructs_is_unchanged(pieces: list[str], answer_format: AnswerFormat) -> None:
    answer = "".join(pieces)
    assert sanitize(answer, answer_format) == answer
    assert sanitize_in_pieces(list(answer), answer_format) == answer


def test_text_is_emitted_as_soon_as_it_is_decided() -> None:
    sanitizer = AnswerSanitizer(MARKDOWN)
    pieces = ["The budget", " is", " $5", " `a", "<b>", "`", " at x", "<", "int", ">", "."]
    assert [sanitizer.feed(piece) for piece in pieces] == [
        "The budget", " is", " $5", " ", "", "", "`a<b>` at x", "", "", "\\<int>", ""
    ]  # fmt: skip


@pytest.mark.parametrize("opener", ["`", "<b ", "```", "[a](", "x@", "{{", "[1, "])
def test_held_text_is_bounded(opener: str) -> None:
    sanitizer = AnswerSanitizer(MARKDOWN)
    shown = sanitizer.feed(opener + "a" * 10_000)
    assert len(shown) > 7_000
    rest = sanitizer.feed("](https://evil.example)\n<img src=x>") + sanitizer.finish()
    assert not find_active_markup(shown + rest)


@pytest.mark.parametrize(
    "unit",
    ["[", "](", "`", "``` ", "<", "<a ", "> ", "- ", "*", "$", "\\", "http:", "@", "{{", "\n", "`\n", "```\n",
     "a`b``",
     "[a](", '<a b="', "]:", "\r"],
)  # fmt: skip
def test_the_number_of_steps_is_linear_in_the_length(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0
    step = AnswerSanitizer._consume_next

    def count_step(sanitizer: AnswerSanitizer) -> bool:
        nonlocal steps
        steps += 1
        return step(sanitizer)

    monkeypatch.setattr(AnswerSanitizer, "_consume_next", count_step)
    text = (unit * 20_000)[:20_000]
    sanitize_in_pieces([text[at : at + 5] for at in range(0, len(text), 5)], MARKDOWN)
    assert steps < 2 * len(text)


def test_random_text_does_not_depend_on_the_pieces() -> None:
    cut = random.Random(1)
    text = "`a` <b> [1] $x$ ```html\n<i>\n```\nhttps://e.x " * 40
    for _ in range(20):
        at = sorted(cut.sample(range(len(text)), 30))
        pieces = [text[start:end] for start, end in zip([0, *at], [*at, len(text)], strict=True)]
        assert sanitize_in_pieces(pieces, MARKDOWN) == sanitize(text, MARKDOWN)
