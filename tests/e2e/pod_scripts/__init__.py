"""Scripts that run inside a pod. They are sent as text and may use the standard library and httpx."""

from pathlib import Path

__all__ = ["CALL", "DELETE_COLLECTIONS", "LOAD", "REACH"]

FOLDER = Path(__file__).parent

CALL = (FOLDER / "call.py").read_text()
DELETE_COLLECTIONS = (FOLDER / "delete_collections.py").read_text()
LOAD = (FOLDER / "load.py").read_text()
REACH = (FOLDER / "reach.py").read_text()
