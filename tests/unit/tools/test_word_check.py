"""Tests of the word check: its findings in code and in prose."""

import pytest

from tools.word_check import check_text, read_avoided_words

AVOIDED_WORDS = read_avoided_words()
AVOIDED = "told"  # one word of the list


def find(name: str, text: str) -> list[str]:
    return list(check_text(name, text, AVOIDED_WORDS))


def test_an_avoided_word_is_reported_with_its_line_and_replacement() -> None:
    (finding,) = find("docs/page.md", f"A line.\nThe caller is {AVOIDED} to wait.\n")
    assert finding.startswith(f"docs/page.md:2: '{AVOIDED}'; write: ")


@pytest.mark.parametrize(
    "text",
    [
        "by\nhand",  # in the next line of a paragraph
        "# by\n    # hand",  # of a comment
        "BY HAND",
    ],
)
def test_a_phrase_is_found_across_lines_and_cases(text: str) -> None:
    assert len(find("x.yaml", text)) == 1


@pytest.mark.parametrize("name", [f"_{AVOIDED}", f"{AVOIDED}User", "by_hand", "madeByHand", "MadeByHand"])
def test_a_word_or_phrase_inside_an_identifier_is_found(name: str) -> None:
    assert find("x.py", f"def {name}(): ...\n")


@pytest.mark.parametrize("sentence", ["It stands where it was.", "A value stood here.", "standing_order"])
def test_forms_of_stand_for_are_found(sentence: str) -> None:
    assert len(find("pyproject.toml", f"# {sentence}\n")) == 1


@pytest.mark.parametrize("text", ["the stand-in of Bedrock", "a StandIn", "# a stand\n# in", "standins"])
def test_a_stand_in_passes(text: str) -> None:
    assert find("x.py", f'"""{text}"""\n') == []


def test_longer_words_and_allowed_phrases_pass() -> None:
    assert find("x.md", "A commendable lookup: it looks up the tellers, and looks like itself.\n") == []


@pytest.mark.parametrize("word", ["What", "Who", "Whose", "Where", "Whether", "How", "Why"])
@pytest.mark.parametrize(
    "code", ['"""{} it is."""\n', 'class A:\n    """{} it is."""\n', 'def f():\n    """{} it is."""\n']
)
def test_a_docstring_that_begins_with_a_question_word_is_reported(word: str, code: str) -> None:
    assert len(find("x.py", code.format(word))) == 1


def test_plain_text_has_no_finding() -> None:
    assert find("x.py", '"""HTTP routes of the trash."""\n') == []
