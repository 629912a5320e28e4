"""Tests of the probes of the isolation between tenants."""

import json

from tests.bench.cross_tenant_probes import ProbeTarget, list_probes

TARGET = ProbeTarget("kb-1", "file-1", "their-model", "heron.txt", "lantern", "What is it?")
PROBES = list_probes(TARGET, "own-model")


def test_probes_are_distinct() -> None:
    assert len({(each.path, json.dumps(each.body)) for each in PROBES}) == len(PROBES) > 20


def test_each_probe_names_an_id_of_the_target_and_none_contains_its_secret_words() -> None:
    for each in PROBES:
        request = each.path + json.dumps(each.body)
        assert any(name in request for name in ("kb-1", "file-1", "their-model", "heron.txt")), each
        assert "lantern" not in request
