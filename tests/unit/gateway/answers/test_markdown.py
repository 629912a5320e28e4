"""Tests of the recognition of active Markdown in all spellings."""

import itertools
import re

import pytest
from gateway.answers.sanitizer import INVISIBLE, AnswerFormat, sanitize
from markdown_it.common.html_blocks import block_names

TEXT, MARKDOWN = AnswerFormat
FORMATS = pytest.mark.parametrize("answer_format", [TEXT, MARKDOWN])

ACTIVE = sorted(
    {
        *block_names, "a", "animate", "applet", "area", "audio", "bgsound", "button", "canvas", "command",
        "embed", "fencedframe", "file", "foreignobject", "image", "img", "input", "isindex", "keygen",
        "listing", "map", "marquee", "math", "meta", "model", "noembed", "noscript", "object", "picture",
        "plaintext", "portal", "pre", "script", "select", "set", "slot", "source", "style", "svg",
        "template", "textarea", "use", "video", "xmp",
    }
)  # fmt: skip
"""Tags that are active without attributes, or that start an HTML block."""


@FORMATS
@pytest.mark.parametrize("name", ACTIVE)
def test_an_active_tag_after_a_word_is_escaped(name: str, answer_format: AnswerFormat) -> None:
    for tag in (f"<{name}>", f"<{name.upper()}>"):
        assert tag not in sanitize(f"List{tag}", answer_format).replace(f"\\{tag}", "")


@FORMATS
@pytest.mark.parametrize(
    "text",
    [
        "<p ->",
        "<form ->",
        "</b\n>",
        "</a:b\n>",
        "<IMG\nsrc=x>",
        "<DIV\r ->",
        "<img/\nsrc=x>",
        '<img/src="x">',
        "<img src='>' onerror=x>",
        "<a\u2003href=x>",
        "<b\xa0x=y>",
        "<mailto:a@b.example>",
        "<ab:\u2003x>",
    ],
    ids=itertools.count(),
)
def test_a_tag_is_escaped_in_all_spellings(text: str, answer_format: AnswerFormat) -> None:
    assert sanitize(text, answer_format).startswith(f"\\{text[:2]}")


@pytest.mark.parametrize(
    "tag", ["<html>", "</html>", "<SCRIPT>", "</Script>", "<style>", "</style>", "<DETAILS", "</details x>"]
)
def test_tags_that_open_webui_finds_by_text_search_are_split(tag: str) -> None:
    assert sanitize(f"{tag} x", MARKDOWN) == f"<{INVISIBLE}{tag[1:]} x"


@pytest.mark.parametrize(
    ("info", "shown"),
    [
        ("json", "json"),
        ("JSON", "JSON"),
        (" json", " json"),
        ("json title=x", "json"),
        ("Json {1}", "Json"),
        ("html json", "text"),
        ("htmlX", "text"),
        ("", ""),
    ],
)
def test_a_fence_keeps_a_language_that_is_only_highlighted(info: str, shown: str) -> None:
    assert sanitize(f"```{info}\nx\n```", MARKDOWN) == f"```{shown}\nx\n```"


@FORMATS
@pytest.mark.parametrize("prefix", ["- ", "+ ", "* ", "1. ", "2) ", "> ", "> 1. "])
def test_a_link_definition_in_a_list_or_quote_is_escaped(prefix: str, answer_format: AnswerFormat) -> None:
    assert sanitize(f"{prefix}[x]: y", answer_format) == f"{prefix}[x]\\: y"


@FORMATS
@pytest.mark.parametrize("scheme", ["http", "https", "ftp", "HTTP", "Ftp", "sftp"])
def test_an_address_with_a_scheme_is_escaped(scheme: str, answer_format: AnswerFormat) -> None:
    assert sanitize(f"{scheme}://e.x", answer_format) == f"{scheme}\\://e.x"


@FORMATS
@pytest.mark.parametrize("host", ["my-host.example", "h_1.example", "é.example", "1.example"])
def test_an_address_without_a_scheme_is_escaped(host: str, answer_format: AnswerFormat) -> None:
    assert sanitize(f"see //{host}", answer_format) == f"see /\\/{host}"


@pytest.mark.parametrize("last", [*".!#$%&'*+/=?^`{|}~-_9é"])
def test_a_mail_address_with_any_last_character_is_escaped(last: str) -> None:
    assert f"{last}@" not in sanitize(f"x {last}@b.example", MARKDOWN)


@pytest.mark.parametrize("domain", ["b.example", "1b.example", "b-c.example", "b_c.d.example", "b.c1"])
def test_a_mail_address_with_any_domain_is_escaped(domain: str) -> None:
    assert sanitize(f"a@{domain}", MARKDOWN) == f"a\\@{domain}"


@pytest.mark.parametrize("name", ["char}}", "USER}}", "video_file_id_1}}", "HTML_FILE_ID_1}}"])
def test_a_placeholder_is_escaped(name: str) -> None:
    assert sanitize("{{" + name, MARKDOWN) == "{\\{" + name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x [1,2]", "x [1,2\\]"),
        ("x [1, 2]", "x [1, 2\\]"),
        ("x [1, 2#a]", "x [1, 2\u200b#a]"),
        ("x [^ a-b ]", "x [^ a-b \\]"),
        ("x \\[1]", "x \\[1]"),
        ("x \\\\[2]", "x \\\\[2\u200b]"),
        ("$[1]$w", "$[1\u200b]$w"),
        ("[1]<d>", "[1\\]\\<d>"),
    ],
)
def test_a_number_of_the_model_is_not_a_source(text: str, shown: str) -> None:
    assert sanitize(text, MARKDOWN) == shown


@FORMATS
@pytest.mark.parametrize("text", ["[note](  see below)", "[year]:  a year", "a //b", "x@y", "@b.example"])
def test_text_that_resembles_an_address_is_unchanged(text: str, answer_format: AnswerFormat) -> None:
    assert sanitize(text, answer_format) == text


def test_a_type_after_a_word_is_unchanged_in_text() -> None:
    for tag in ("<X>", "<String>", "<T1>"):
        assert sanitize(f"List{tag}", TEXT) == f"List{tag}"
        assert re.search(r"(?<!\\)<", sanitize(f"List {tag}", TEXT)) is None
