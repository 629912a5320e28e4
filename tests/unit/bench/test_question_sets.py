"""Our own question set is sound: what it measures is retrieval, and not a mistake in the set."""

import re
from collections import Counter
from difflib import SequenceMatcher
from itertools import combinations

import pytest

from tests.bench.question_sets import Question, read_own

OWN = read_own()
TEXTS = {name: " ".join(text.split()) for name, text in OWN.documents.items()}
OF_KIND = {kind: [each for each in OWN.questions if each.kind == kind] for kind in OWN.kinds}


def words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text.casefold()))


WORDS = {name: words(text) for name, text in TEXTS.items()}


def only_there(question: Question) -> set[str]:
    """Return the question's words that stand in its document and in no other."""
    holders = {word: [name for name in WORDS if word in WORDS[name]] for word in words(question.text)}
    return {word for word, names in holders.items() if names == [question.document]}


def alike(one: str, other: str) -> float:
    """Return how much of two documents is the same words in the same order, from 0 to 1."""
    return SequenceMatcher(None, TEXTS[one].split(), TEXTS[other].split(), autojunk=False).ratio()


def test_there_are_enough_documents_of_the_promised_length() -> None:
    assert len(TEXTS) >= 40
    assert {name for name, text in TEXTS.items() if not 100 <= len(text.split()) <= 300} == set()


def test_no_document_repeats_another() -> None:
    pairs = list(combinations(TEXTS, 2))
    assert [pair for pair in pairs if alike(*pair) > 0.85] == []
    assert sum(alike(*pair) > 0.4 for pair in pairs) >= 5, "no neighbour would tempt anybody"


def test_every_question_names_a_document_and_every_document_is_asked_for() -> None:
    assert {question.document for question in OWN.questions} == set(TEXTS)


def test_no_question_is_asked_twice() -> None:
    counts = Counter(question.text.casefold() for question in OWN.questions)
    assert [text for text, count in counts.items() if count > 1] == []


def test_there_are_enough_questions_of_each_kind() -> None:
    assert OWN.kinds == ["exact", "near", "paraphrase"]
    assert all(len(questions) >= 40 for questions in OF_KIND.values())


@pytest.mark.parametrize("question", OWN.questions, ids=lambda question: question.text)
def test_the_answer_stands_in_the_document_and_in_no_other(question: Question) -> None:
    assert [name for name, text in TEXTS.items() if question.answer in text] == [question.document]


def test_exact_questions_use_a_word_that_no_other_document_has() -> None:
    assert [each.text for each in OF_KIND["exact"] if not only_there(each)] == []


def test_paraphrases_use_no_long_word_that_only_their_document_has() -> None:
    """A long one: of a language with few documents here, even words like "einer" stand in one alone."""
    given_away = {
        each.text: [word for word in only_there(each) if len(word) > 5] for each in OF_KIND["paraphrase"]
    }
    assert {text: found for text, found in given_away.items() if found} == {}


def test_the_neighbours_of_near_questions_share_their_words() -> None:
    """Some other document holds all but one or two of the words that the right one shares."""
    lonely = []
    for each in OF_KIND["near"]:
        shared = words(each.text) & WORDS[each.document]
        missing = min(len(shared - WORDS[name]) for name in WORDS if name != each.document)
        if missing > 2:
            lonely.append(each.text)
    assert lonely == []
