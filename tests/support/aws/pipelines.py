"""The pipeline of a template in the form of CodePipeline's API, and a running moto, which has this API."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.support.programs.ports import find_free_port
from tools.linters import moto

from .running import Emulator, wait_until_ready

__all__ = ["build_declaration", "resolve", "run_moto"]


@contextmanager
def run_moto() -> Iterator[Emulator]:
    """Run moto on a free port."""
    port = find_free_port()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [moto.install(print), "-H", "127.0.0.1", "-p", str(port)],
            env=os.environ, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            emulator = Emulator(f"http://127.0.0.1:{port}")
            wait_until_ready(emulator, process, log)
            yield emulator
        finally:
            process.terminate()
            process.wait()


def build_declaration(properties: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Return a pipeline as CodePipeline's API expects it.

    Parameters
    ----------
    properties
        Properties of the pipeline in its template.
    values
        Values of parameters, of references and of attributes: ``Key.Arn``.
    """
    declaration: dict[str, Any] = _to_api(resolve(properties, values))
    return declaration


def _to_api(node: Any) -> Any:
    """Return a node with names in the API's case. The keys of a configuration stay; its values are texts."""
    match node:
        case dict():
            return {
                key[0].lower() + key[1:]: {name: str(each) for name, each in value.items()}
                if key == "Configuration"
                else _to_api(value)
                for key, value in node.items()
            }
        case list():
            return [_to_api(each) for each in node]
        case _:
            return node


def resolve(node: Any, values: Mapping[str, str]) -> Any:
    """Return a node of a template with its functions replaced by values."""
    match node:
        case {"Ref": name}:
            return values[name]
        case {"Fn::GetAtt": [name, attribute]}:
            return values[f"{name}.{attribute}"]
        case {"Fn::Sub": str(text)}:
            for name, value in values.items():
                text = text.replace(f"${{{name}}}", value)
            return text
        case dict():
            return {key: resolve(value, values) for key, value in node.items()}
        case list():
            return [resolve(each, values) for each in node]
        case _:
            return node
