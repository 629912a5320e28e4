"""Scripts that run inside a pod. They are sent as text and may use the standard library and httpx."""

from pathlib import Path

__all__ = ["CALL", "EMPTY_INDEX", "LOAD", "REACH"]

FOLDER = Path(__file__).parent

CALL = (FOLDER / "call.py").read_text()
EMPTY_INDEX = (FOLDER / "empty_index.py").read_text()
LOAD = (FOLDER / "load.py").read_text()
REACH = (FOLDER / "reach.py").read_text()
