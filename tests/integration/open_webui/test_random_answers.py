"""Tests of random answers with Open WebUI's own renderer: no active markup, and harmless texts are unchanged.

``TENANTRY_TEST_ANSWERS`` is the number of texts of each kind, ``TENANTRY_TEST_SEED`` the first seed.
"""

import os
import random
from collections.abc import Iterator

import pytest
from gateway.answers.markdown import LANGUAGES
from gateway.answers.sanitizer import AnswerFormat, AnswerSanitizer, sanitize

from tests.support.open_webui.markdown import OpenWebUIReader, run_open_webui_reader
from tests.support.text.commonmark import find_active_markup
from tests.support.text.random_markdown import make_harmless_text, make_hostile_text

pytestmark = [pytest.mark.programs, pytest.mark.timeout(3600)]

TEXTS = int(os.environ.get("TENANTRY_TEST_ANSWERS", "3000"))
SEED = int(os.environ.get("TENANTRY_TEST_SEED", "1"))
MARKDOWN = AnswerFormat.MARKDOWN


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenWebUIReader]:
    with run_open_webui_reader(tmp_path_factory.mktemp("reader")) as running:
        yield running


def sanitize_in_pieces(text: str, chance: random.Random) -> str:
    sanitizer = AnswerSanitizer(MARKDOWN)
    shown = []
    while text:
        length = chance.choice((1, 1, 2, 3, 7))
        shown.append(sanitizer.feed(text[:length]))
        text = text[length:]
    return "".join(shown) + sanitizer.finish()


def find_markup_active_anywhere(shown: str, reader: OpenWebUIReader) -> list[str]:
    """Return all markup that a renderer would act on, for CommonMark and for Open WebUI."""
    (reading,) = reader.read([shown])
    foreign = [each for each in reading.languages if each and each.lower() not in LANGUAGES]
    return [*find_active_markup(shown), *reading.active, *reading.citations, *foreign, *reading.artifacts]


def test_a_sanitized_hostile_answer_has_no_active_markup(reader: OpenWebUIReader) -> None:
    for seed in range(SEED, SEED + TEXTS):
        text = make_hostile_text(random.Random(seed))
        shown = sanitize(text, MARKDOWN)
        assert find_markup_active_anywhere(shown, reader) == [], (seed, text, shown)
        assert sanitize_in_pieces(text, random.Random(seed)) == shown, (seed, text)


def test_a_harmless_answer_is_unchanged(reader: OpenWebUIReader) -> None:
    for seed in range(SEED, SEED + TEXTS):
        text = make_harmless_text(random.Random(seed))
        assert sanitize(text, MARKDOWN) == text, seed
        assert sanitize_in_pieces(text, random.Random(seed)) == text, seed


def test_hostile_answers_have_active_markup_before_sanitizing(reader: OpenWebUIReader) -> None:
    """This proves that the first test would detect active markup."""
    text = [make_hostile_text(random.Random(seed)) for seed in range(SEED, SEED + 200)]
    assert sum(bool(find_markup_active_anywhere(each, reader)) for each in text) > 100
