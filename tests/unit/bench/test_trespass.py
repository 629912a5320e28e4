"""Attempts: each is another one, and each leads to the other company's things and to nobody else's."""

import json

from tests.bench.trespass import Prey, attempts

PREY = Prey("kb-1", "file-1", "their-model", "heron.txt", "lantern", "What is it?")
TRIED = attempts(PREY, "own-model")


def test_no_attempt_is_made_twice() -> None:
    assert len({(each.path, json.dumps(each.body)) for each in TRIED}) == len(TRIED) > 20


def test_each_names_something_of_theirs_and_none_says_what_is_sought() -> None:
    for each in TRIED:
        told = each.path + json.dumps(each.body)
        assert any(name in told for name in ("kb-1", "file-1", "their-model", "heron.txt")), each
        assert "lantern" not in told
