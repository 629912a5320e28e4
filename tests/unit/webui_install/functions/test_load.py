"""Tests that Open WebUI can load each function: its header is valid and its source is self-contained."""

import re
import sys
import types
from importlib.resources import files

import pydantic
import pytest

NAMES = {"tenantry": "Pipe", "tenantry_events": "Event", "tenantry_erasure": "Action"}
REPLACED = ("from utils", "from apps", "from main", "from config")
"""Texts in which Open WebUI inserts its package name before the last word, also within prose."""


def read_content(name: str) -> str:
    return files("webui_install.functions").joinpath(f"{name}.py").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_header_has_the_keys_of_open_webui(name: str) -> None:
    lines = read_content(name).splitlines()
    assert lines[0] == '"""'
    head = dict(re.findall(r"^([a-z_]+): (.+)$", "\n".join(lines[1 : lines.index('"""', 1)]), re.MULTILINE))
    assert head.keys() == {
        "title",
        "author",
        "version",
        "license",
        "required_open_webui_version",
        "description",
    }
    assert re.fullmatch(r"\d+\.\d+\.\d+", head["version"])


@pytest.mark.parametrize("name", NAMES)
def test_open_webui_does_not_change_the_source(name: str) -> None:
    """Otherwise the stored source would always differ from the desired source."""
    assert not [words for words in REPLACED if words in read_content(name)]


@pytest.mark.parametrize("name", NAMES)
def test_function_loads_without_tenantrys_packages(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = read_content(name)
    for own_module in [
        module for module in sys.modules if module.partition(".")[0] in {"tenancy", "webui_install"}
    ]:
        monkeypatch.setitem(sys.modules, own_module, None)
    module = types.ModuleType(f"function_{name}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(text, module.__dict__)
    loaded = getattr(module, NAMES[name])()
    assert isinstance(loaded.valves, pydantic.BaseModel)
    # Open WebUI checks for the classes in this order.
    assert [kind for kind in ("Pipe", "Filter", "Action", "Event") if hasattr(module, kind)] == [NAMES[name]]


@pytest.mark.parametrize("name", NAMES)
def test_each_valve_has_a_description_and_a_default(name: str) -> None:
    module = types.ModuleType(f"function_{name}")
    exec(read_content(name), module.__dict__)
    fields = getattr(module, NAMES[name]).Valves.model_fields
    assert all(field.description and not field.is_required() for field in fields.values())
