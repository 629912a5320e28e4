"""JSON schema of eksctl's files, from eksctl's module."""

import json
from typing import Any

from .go_module import download_module

__all__ = ["load_schema"]

MODULE = "github.com/weaveworks/eksctl@v0.215.0"
HASH = "h1:oCPoubT3UsW4Y2J43Y4dNRvXHEIsgg03Y3e6wv6bKG4="


def load_schema() -> dict[str, Any]:
    """Return the schema; download the module if Go's cache lacks it.

    Raises
    ------
    LocalError
        The module cannot be downloaded, or has another hash.
    """
    folder = download_module(MODULE, HASH) / "pkg" / "apis" / "eksctl.io" / "v1alpha5" / "assets"
    schema: dict[str, Any] = json.loads((folder / "schema.json").read_text())
    return schema
