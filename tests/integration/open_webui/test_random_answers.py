"""Random answers, read by the code that Open WebUI ships: nothing acts, and harmless ones are not changed.

``TENANTRY_TEST_ANSWERS`` is the number of texts of each kind, ``TENANTRY_TEST_SEED`` where they begin.
"""

import os
import random
from collections.abc import Iterator

import pytest
from gateway.answers.markdown import LANGUAGES
from gateway.answers.sanitizer import AnswerFormat, AnswerSanitizer, sanitize

from tests.support.markdown import live
from tests.support.open_webui_markdown import OpenWebuiReader, open_webui_reader
from tests.support.random_markdown import harmless_text, hostile_text

pytestmark = [pytest.mark.programs, pytest.mark.timeout(3600)]

TEXTS = int(os.environ.get("TENANTRY_TEST_ANSWERS", "3000"))
SEED = int(os.environ.get("TENANTRY_TEST_SEED", "1"))
MARKDOWN = AnswerFormat.MARKDOWN


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenWebuiReader]:
    with open_webui_reader(tmp_path_factory.mktemp("reader")) as running:
        yield running


def in_pieces(text: str, chance: random.Random) -> str:
    sanitizer = AnswerSanitizer(MARKDOWN)
    shown = []
    while text:
        length = chance.choice((1, 1, 2, 3, 7))
        shown.append(sanitizer.feed(text[:length]))
        text = text[length:]
    return "".join(shown) + sanitizer.finish()


def acts(shown: str, reader: OpenWebuiReader) -> list[str]:
    """Return all in a text that a renderer would act on, for CommonMark and for Open WebUI."""
    (reading,) = reader.read([shown])
    foreign = [each for each in reading.languages if each and each.lower() not in LANGUAGES]
    return [*live(shown), *reading.live, *reading.citations, *foreign, *reading.artifacts]


def test_nothing_in_a_hostile_answer_acts(reader: OpenWebuiReader) -> None:
    for seed in range(SEED, SEED + TEXTS):
        said = hostile_text(random.Random(seed))
        shown = sanitize(said, MARKDOWN)
        assert acts(shown, reader) == [], (seed, said, shown)
        assert in_pieces(said, random.Random(seed)) == shown, (seed, said)


def test_a_harmless_answer_stays_as_it_is(reader: OpenWebuiReader) -> None:
    for seed in range(SEED, SEED + TEXTS):
        said = harmless_text(random.Random(seed))
        assert sanitize(said, MARKDOWN) == said, seed
        assert in_pieces(said, random.Random(seed)) == said, seed


def test_hostile_answers_would_act_if_they_were_not_sanitized(reader: OpenWebuiReader) -> None:
    """Without this, the first test would prove nothing."""
    said = [hostile_text(random.Random(seed)) for seed in range(SEED, SEED + 200)]
    assert sum(bool(acts(each, reader)) for each in said) > 100
