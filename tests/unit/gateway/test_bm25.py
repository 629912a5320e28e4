"""Tests of the BM25 vectors of documents and questions, in several scripts."""

import pytest
from gateway.bm25 import AVERAGE_WORDS, K1, B, build_document_vector, build_query_vector


def get_weight(text: str, word: str) -> float:
    (number,) = build_query_vector(word).indices
    vector = build_document_vector(text)
    return dict(zip(vector.indices, vector.values, strict=True))[number]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("Budget", "BUDGET", id="case"),
        pytest.param("Übergröße", "UBERGROSSE", id="accents-and-sharp-s"),
        pytest.param("cafe\u0301", "café", id="two-ways-to-write-an-accent"),
        pytest.param("ﬁnance", "finance", id="ligature"),
        pytest.param("Q3-2026", "q3 2026", id="punctuation"),
        pytest.param("snake_case", "snake case", id="underscore"),
    ],
)
def test_spellings_of_one_word_have_the_same_index(first: str, second: str) -> None:
    assert build_query_vector(first) == build_query_vector(second)


def test_different_words_have_different_indices() -> None:
    words = " ".join(f"word{number}" for number in range(1000))
    assert len(build_query_vector(words).indices) == 1000


@pytest.mark.parametrize(
    ("text", "question"),
    [
        pytest.param("東京都の予算は五百万円です。", "東京の予算", id="japanese"),
        pytest.param("今年的市场预算是五百万。", "市场预算", id="chinese"),
        pytest.param("งบประมาณการตลาดปีนี้", "งบประมาณ", id="thai"),
        pytest.param("iPhone17の価格", "iphone17", id="mixed-with-latin"),
    ],
)
def test_scripts_without_spaces_are_matched_by_bigrams(text: str, question: str) -> None:
    assert set(build_query_vector(question).indices) & set(build_document_vector(text).indices)


def test_a_single_character_of_a_script_without_spaces_is_a_word() -> None:
    assert len(build_query_vector("猫").indices) == 1


def test_indices_are_unique_and_ascending() -> None:
    vector = build_document_vector("the budget of the plan of the year")
    assert vector.indices == sorted(set(vector.indices))
    assert len(vector.values) == len(vector.indices) == 5


def test_weights_follow_the_formula() -> None:
    filler = " ".join(f"filler{number}" for number in range(AVERAGE_WORDS - 2))
    assert get_weight(f"budget budget {filler}", "budget") == pytest.approx(2 * (K1 + 1) / (2 + K1))
    short = 1 * (K1 + 1) / (1 + K1 * (1 - B + B * 2 / AVERAGE_WORDS))
    assert get_weight("budget plan", "budget") == pytest.approx(short)


def test_term_frequency_saturates_and_length_is_normalised() -> None:
    once, twice, thrice = (get_weight("budget " * count + "of a plan", "budget") for count in (1, 2, 3))
    assert thrice - twice < twice - once
    assert get_weight("budget " + "other " * 300, "budget") < once


@pytest.mark.parametrize("text", ["", "  \n", "?!…"], ids=repr)
def test_a_text_without_words_has_an_empty_vector(text: str) -> None:
    assert build_document_vector(text).indices == build_query_vector(text).indices == []
