"""Open WebUI's Markdown parser: the code of its web pages, run by Node.

The parser is extracted from the source maps of the installed release, so browsers run the same code.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tenantry_local.programs import open_webui
from tenantry_local.programs.node import find_node

__all__ = ["OpenWebUIReader", "Reading", "run_open_webui_reader"]

READER = Path(__file__).with_suffix(".mjs")
EXTENSION = re.compile(r"src/lib/utils/marked/([\w-]+\.ts)\Z")
MODULE = re.compile(r"(?<!mermaid/)node_modules/((?:marked|html-entities)/.+)\Z")
FUNCTIONS = (
    "replaceOutsideCode", "replaceTokens", "processResponseContent", "isChineseChar", "processChineseContent",
    "processChineseDelimiters", "escapeRegExp", "removeAllDetails", "getCodeBlockContents",
)  # fmt: skip
STUBS = {
    "svelte/store.js": "export const get = () => [];",
    "$lib/stores.js": "export const skills = [], terminalSkills = [];",
}
EXPORTS = {
    "marked": {".": "./lib/marked.esm.js"},
    "html-entities": {".": "./dist/esm/index.js"},
    "svelte": {"./store": "./store.js"},
    "$lib": {"./stores": "./stores.js"},
}


@dataclass(frozen=True)
class Reading:
    """Result of Open WebUI's parser for a text."""

    active: list[str]
    """Active links, images, tags and blocks, each with its type."""
    citations: list[str]
    formulas: list[str]
    languages: list[str]
    """Languages of fenced blocks."""
    artifacts: list[str]
    """Pages that Open WebUI offers to display."""


class OpenWebUIReader:
    """Running process of the parser."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """Return the parser's result for each text."""
        assert self._process.stdin
        assert self._process.stdout
        readings = []
        for text in texts:
            print(json.dumps(text), file=self._process.stdin, flush=True)
            readings.append(Reading(**json.loads(self._process.stdout.readline())))
        return readings


@contextmanager
def run_open_webui_reader(directory: Path) -> Iterator[OpenWebUIReader]:
    """Extract Open WebUI's parser to an empty directory and run it."""
    _extract(directory)
    command = [find_node().program, "--no-warnings", str(directory / READER.name)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield OpenWebUIReader(process)
        assert process.stdin
        process.stdin.close()


def _extract(directory: Path) -> None:
    (frontend,) = (
        open_webui.install(lambda _: None).parents[1].glob("lib/python3.*/site-packages/open_webui/frontend")
    )
    for path in frontend.glob("_app/immutable/chunks/*.map"):
        sources = json.loads(path.read_text())
        for name, text in zip(sources["sources"], sources.get("sourcesContent") or [], strict=False):
            if match := EXTENSION.search(name):
                _write(directory / "marked" / match[1], text)
            elif match := MODULE.search(name):
                _write(directory / "node_modules" / match[1], text)
            elif name.endswith("src/lib/utils/index.ts"):
                _write(
                    directory / "utils.ts",
                    "\n".join(_extract_function(text, function) for function in FUNCTIONS),
                )
    for name, text in STUBS.items():
        _write(directory / "node_modules" / name, text)
    for name, exports in EXPORTS.items():
        package = {"name": name, "type": "module", "exports": exports}
        _write(directory / "node_modules" / name / "package.json", json.dumps(package))
    _write(directory / "package.json", '{"type": "module"}')
    shutil.copy(READER, directory)


def _extract_function(source: str, name: str) -> str:
    match = re.search(
        rf"^(?:export )?((?:const|function) {name}\b.*?^\}};?$|const {name}\b[^\n]*;$)",
        source,
        re.MULTILINE | re.DOTALL,
    )
    assert match, f"Open WebUI has no {name} any more"
    return f"export {match[1]}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
