"""Tests of the sample question set: its documents, questions and answers are consistent."""

import re
from collections import Counter
from difflib import SequenceMatcher
from itertools import combinations

import pytest

from tests.bench.question_sets import BenchQuestion, read_samples

OWN = read_samples()
TEXTS = {name: " ".join(text.split()) for name, text in OWN.documents.items()}
OF_KIND = {kind: [each for each in OWN.questions if each.kind == kind] for kind in OWN.kinds}


def split_words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text.casefold()))


WORDS = {name: split_words(text) for name, text in TEXTS.items()}


def get_unique_words(question: BenchQuestion) -> set[str]:
    """Return the question's words that only its document contains."""
    holders = {word: [name for name in WORDS if word in WORDS[name]] for word in split_words(question.text)}
    return {word for word, names in holders.items() if names == [question.document]}


def get_similarity(one: str, other: str) -> float:
    """Return the share of equal words in the same order in two documents, from 0 to 1."""
    return SequenceMatcher(None, TEXTS[one].split(), TEXTS[other].split(), autojunk=False).ratio()


def test_there_are_enough_documents_of_the_promised_length() -> None:
    assert len(TEXTS) >= 40
    assert {name for name, text in TEXTS.items() if not 100 <= len(text.split()) <= 300} == set()


def test_no_document_repeats_another() -> None:
    pairs = list(combinations(TEXTS, 2))
    assert [pair for pair in pairs if get_similarity(*pair) > 0.85] == []
    assert sum(get_similarity(*pair) > 0.4 for pair in pairs) >= 5, "too few similar documents"


def test_every_question_names_a_document_and_every_document_has_a_question() -> None:
    assert {question.document for question in OWN.questions} == set(TEXTS)


def test_no_question_is_asked_twice() -> None:
    counts = Counter(question.text.casefold() for question in OWN.questions)
    assert [text for text, count in counts.items() if count > 1] == []


def test_there_are_enough_questions_of_each_kind() -> None:
    assert OWN.kinds == ["exact", "near", "paraphrase"]
    assert all(len(questions) >= 40 for questions in OF_KIND.values())


@pytest.mark.parametrize("question", OWN.questions, ids=lambda question: question.text)
def test_the_answer_is_in_its_document_and_in_no_other(question: BenchQuestion) -> None:
    assert [name for name, text in TEXTS.items() if question.answer in text] == [question.document]


def test_exact_questions_use_a_word_that_no_other_document_has() -> None:
    assert [each.text for each in OF_KIND["exact"] if not get_unique_words(each)] == []


def test_paraphrases_use_no_long_word_that_only_their_document_has() -> None:
    """Short words do not count: in a language with few documents, even "einer" is in only one."""
    unique = {
        each.text: [word for word in get_unique_words(each) if len(word) > 5]
        for each in OF_KIND["paraphrase"]
    }
    assert {text: found for text, found in unique.items() if found} == {}


def test_similar_documents_share_the_words_of_near_questions() -> None:
    """Another document contains all but two of the words that the right one shares."""
    failed = []
    for each in OF_KIND["near"]:
        shared = split_words(each.text) & WORDS[each.document]
        missing = min(len(shared - WORDS[name]) for name in WORDS if name != each.document)
        if missing > 2:
            failed.append(each.text)
    assert failed == []
