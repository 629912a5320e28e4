"""Tests of function names: each begins with a verb of ``tools/verbs.txt``."""

import ast
from collections.abc import Iterator

import pytest

from tests.support.text.python_files import parse_python_files
from tools.version import REPOSITORY

Function = ast.FunctionDef | ast.AsyncFunctionDef

NAMING_DECORATORS = frozenset(
    {
        "cached_property",
        "callback",  # typer: an option's name is what the user types
        "command",  # typer
        "fixture",
        "hook",  # schemathesis
        "override",  # the base has the name
        "property",
    }
)
"""Decorators of functions that are read like a value, or whose name is a contract."""

NAMING_WORDS = frozenset({"from", "has", "is", "main", "on", "pytest", "test", "to"})
"""``from_x``, ``has_x``, ``is_x`` and ``to_x``; a program's ``main``; hooks of mkdocs and pytest; tests."""

NAMED_BY_LIBRARIES = frozenset(
    {
        ("services/open_webui/", "action"),  # Open WebUI
        ("services/open_webui/", "event"),  # Open WebUI
        ("services/open_webui/", "pipe"),  # Open WebUI
        ("tests/", "aclose"),  # httpx
        ("tests/", "chunk_indices"),  # semantic_text_splitter
        ("tests/", "client"),  # boto3
        ("tests/", "do_GET"),  # http.server
        ("charts/tenantry/charts/open-webui/files/", "do_GET"),  # http.server
        ("tests/", "do_POST"),  # http.server
        ("tests/", "fetchone"),  # psycopg
        ("tests/", "head_object"),  # boto3
        ("tests/", "notifies"),  # psycopg
        ("tests/", "paginate"),  # boto3
        ("tests/", "perf_counter"),  # time
        ("tests/", "readline"),  # aiohttp
    }
)
"""Folder and name of functions that a library calls, or of a library's methods in a fake."""


def read_verbs() -> list[str]:
    lines = (REPOSITORY / "tools" / "verbs.txt").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def list_functions(tree: ast.Module) -> Iterator[Function]:
    """Yield the functions whose names this project chooses."""
    for node in ast.walk(tree):
        if isinstance(node, Function) and not is_named_by_kind(node):
            yield node


def is_named_by_kind(function: Function) -> bool:
    decorators = {get_decorator_name(decorator) for decorator in function.decorator_list}
    return (
        function.name == "_"
        or function.name.startswith("__")
        or get_first_word(function.name) in NAMING_WORDS
        or not decorators.isdisjoint(NAMING_DECORATORS)
    )


def get_decorator_name(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(called).rpartition(".")[2]


def get_first_word(name: str) -> str:
    return name.lstrip("_").partition("_")[0]


@pytest.fixture(scope="module", name="functions")
def _functions() -> list[tuple[str, Function]]:
    """Return the functions of the whole tree, each with its file."""
    return [(file, function) for file, tree in parse_python_files() for function in list_functions(tree)]


def test_each_function_begins_with_a_verb_that_is_in_use(functions: list[tuple[str, Function]]) -> None:
    verbs, used_verbs, used_exemptions = set(read_verbs()), set[str](), set[tuple[str, str]]()
    offenders = []
    for file, function in functions:
        exemptions = {
            each for each in NAMED_BY_LIBRARIES if file.startswith(each[0]) and function.name == each[1]
        }
        word = get_first_word(function.name)
        if exemptions:
            used_exemptions |= exemptions
        elif word in verbs:
            used_verbs.add(word)
        else:
            offenders.append(f"{file}:{function.lineno} {function.name}")
    assert not offenders, "\n".join(["no verb of tools/verbs.txt begins", *offenders])
    assert verbs - used_verbs == set(), "verbs in tools/verbs.txt that no function uses"
    assert NAMED_BY_LIBRARIES - used_exemptions == set(), "exemptions that no function needs"


def test_the_verbs_are_sorted() -> None:
    verbs = read_verbs()
    assert verbs == sorted(set(verbs))


@pytest.mark.parametrize(
    "source",
    [
        "def files(): ...",
        "async def _files(): ...",
        "class Client:\n    @staticmethod\n    def files(): ...",
        "def list_files():\n    def scenario(): ...\n    return scenario",
    ],
)
def test_every_kind_of_function_is_checked(source: str) -> None:
    words = {get_first_word(function.name) for function in list_functions(ast.parse(source))}
    assert words & {"files", "scenario"}


@pytest.mark.parametrize(
    "source",
    [
        "def __enter__(self): ...",
        "def is_ready(): ...",
        "@property\ndef files(self): ...",
        "@functools.cached_property\ndef files(self): ...",
        "@pytest.fixture(name='files')\ndef _files(): ...",
        "@app.command()\ndef up(): ...",
        "@app.get('/files')\ndef _(): ...",
    ],
)
def test_a_name_that_the_kind_of_function_decides_is_not_checked(source: str) -> None:
    assert not list(list_functions(ast.parse(source)))
