"""Open WebUI takes the functions as they are: their head is read, their text is run alone."""

import re
import sys
import types
from importlib.resources import files

import pydantic
import pytest

NAMES = {"tenantry": "Pipe", "tenantry_events": "Event", "tenantry_erasure": "Action"}
REPLACED = ("from utils", "from apps", "from main", "from config")
"""Wherever these stand, in a sentence too, Open WebUI writes its own package before the last word."""


def content(name: str) -> str:
    return files("webui_install.functions").joinpath(f"{name}.py").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_the_head_is_one_that_open_webui_reads(name: str) -> None:
    lines = content(name).splitlines()
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
def test_open_webui_changes_nothing_of_the_text(name: str) -> None:
    """Else what is stored would never be what is wanted, and each run would write it again."""
    assert not [words for words in REPLACED if words in content(name)]


@pytest.mark.parametrize("name", NAMES)
def test_a_function_loads_as_text_with_nothing_of_ours(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = content(name)
    for ours in [
        module for module in sys.modules if module.partition(".")[0] in {"tenancy", "webui_install"}
    ]:
        monkeypatch.setitem(sys.modules, ours, None)
    module = types.ModuleType(f"function_{name}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(text, module.__dict__)
    loaded = getattr(module, NAMES[name])()
    assert isinstance(loaded.valves, pydantic.BaseModel)
    # What kinds of functions there may be is looked for in this order.
    assert [kind for kind in ("Pipe", "Filter", "Action", "Event") if hasattr(module, kind)] == [NAMES[name]]


@pytest.mark.parametrize("name", NAMES)
def test_every_valve_says_what_it_is_and_none_is_needed(name: str) -> None:
    module = types.ModuleType(f"function_{name}")
    exec(content(name), module.__dict__)
    fields = getattr(module, NAMES[name]).Valves.model_fields
    assert all(field.description and not field.is_required() for field in fields.values())
