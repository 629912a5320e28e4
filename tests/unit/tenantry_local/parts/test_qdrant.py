"""Tests of the choice between the Qdrant stand-in and an external server."""

from pathlib import Path

import pytest
from tenantry_local.context import Context
from tenantry_local.parts.qdrant import Qdrant


def test_without_a_url_the_stand_in_has_a_generated_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QDRANT_URL", raising=False)
    part = Qdrant(Context.open(tmp_path))
    assert part.managed
    assert not part.real
    assert part.build_command().env == {"QDRANT_API_KEY": part.context.secrets["qdrant"]}


def test_with_a_url_the_external_server_and_key_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QDRANT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("QDRANT_API_KEY", "external-key")
    part = Qdrant(Context.open(tmp_path))
    assert (part.managed, part.real) == (False, True)
    assert (part.url, part.api_key) == ("http://127.0.0.1:9", "external-key")
    assert part.version == "unknown", "the server does not respond"
    assert not part.is_healthy()
