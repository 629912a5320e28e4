"""Tests of the pins: every package has a digest, and no lock file has a URL."""

import json
import re
from typing import Any

from tenantry_local.programs import n8n, open_webui

VERSION = re.compile(r"\d+\.\d+\.\d+")


def read_lock() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((n8n.PINS / "package-lock.json").read_text())
    return found


def test_each_program_has_a_pinned_version() -> None:
    assert VERSION.fullmatch(n8n.get_version())
    assert VERSION.fullmatch(open_webui.get_version())


def test_the_lock_of_n8n_has_the_pinned_version() -> None:
    assert read_lock()["packages"]["node_modules/n8n"]["version"] == n8n.get_version()


def test_each_package_of_n8n_has_a_digest() -> None:
    assert {name for name, package in read_lock()["packages"].items() if "integrity" not in package} == {""}


def test_no_lock_names_an_address() -> None:
    for file in (n8n.PINS / "package-lock.json", open_webui.LOCK):
        assert "://" not in file.read_text(), file.name


def test_excluded_packages_are_not_in_the_lock_of_open_webui() -> None:
    excluded = (open_webui.LOCK.with_suffix(".excluded")).read_text().splitlines()
    names = {line for line in excluded if not line.startswith("#")}
    locked = set(re.findall(r"^([a-z0-9-]+)(?:\[.*?\])?==", open_webui.LOCK.read_text(), re.MULTILINE))
    assert "torch" not in locked
    assert "open-webui" in locked
    assert not names & locked
