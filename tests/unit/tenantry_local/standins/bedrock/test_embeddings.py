"""Tests of the embeddings and of cuts to fewer dimensions."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from tenantry_local.standins.bedrock.embeddings import count_tokens, embed, project

TEXTS = [
    "What is the marketing budget?",
    "We may spend 1.5 million on advertising.",
    "Cats sleep most of the day.",
    "Die Katze schläft.",
    "budget " * 3000,
]


def normalize(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / lengths


@pytest.mark.parametrize("cut", [256, 512, 768, 1024])
def test_a_cut_keeps_every_cosine(cut: int) -> None:
    rows = embed(TEXTS)
    front = normalize(project(rows, 1024)[:, :cut])
    np.testing.assert_allclose(front @ front.T, rows @ rows.T, atol=1e-12)


@pytest.mark.parametrize("dimensions", [256, 512, 1024, 1536])
def test_fewer_dimensions_are_a_prefix_of_more(dimensions: int) -> None:
    wide = normalize(project(embed(TEXTS), 1536)[:, :dimensions])
    np.testing.assert_allclose(project(embed(TEXTS), dimensions), wide, atol=1e-12)


def test_vectors_that_were_cut_at_different_places_do_not_match() -> None:
    wide = project(embed(TEXTS), 1024)
    for first, second in itertools.combinations((0, 256, 512), 2):
        blocks = normalize(wide[:, first : first + 256]), normalize(wide[:, second : second + 256])
        assert np.abs(np.sum(blocks[0] * blocks[1], axis=1)).max() < 0.4


def test_the_last_quarter_of_an_embedding_is_zero() -> None:
    assert not project(embed(TEXTS), 1024)[:, 768:].any()


def test_similar_texts_have_similar_embeddings() -> None:
    question, advertising, cats = embed(TEXTS[:3])
    assert question @ advertising > question @ cats + 0.1


def test_the_end_of_a_long_text_affects_its_embedding() -> None:
    start = "The office is in Berlin. " * 400
    plain, with_end = embed([start, start + "Cats sleep most of the day. " * 400])
    assert plain @ with_end < 0.95


def test_a_text_without_words_has_no_direction() -> None:
    assert not embed([""]).any()
    assert not project(embed([""]), 1024).any()


def test_tokens_are_counted_as_a_model_does() -> None:
    assert count_tokens("") == 0
    assert 4 <= count_tokens("What is the budget?") <= 8
