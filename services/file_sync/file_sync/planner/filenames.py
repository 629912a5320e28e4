"""Sanitizing of file names, for object keys and citations."""

import unicodedata

__all__ = ["MAX_BYTES", "sanitize_filename"]

MAX_BYTES = 200
"""Longest name in UTF-8. With the longest tenant, persona and id, a key has 350 bytes; S3 allows 1,024."""

MAX_ENDING_BYTES = 16
"""Longest ending that a long name keeps; a longer ending is cut like the rest of the name."""

DEFAULT_NAME = "file"


def sanitize_filename(name: str) -> str:
    """Return a safe name that resembles the given name; the same input has the same result.

    No name is refused. A slash becomes ``_``. Invisible characters are removed, also those that change the
    reading direction. A long name is cut before its ending.
    """
    name = unicodedata.normalize("NFC", name.replace("/", "_").replace("\\", "_"))
    name = " ".join("".join(char for char in map(_to_visible, name)).split())
    if name.strip(". ") == "":
        return DEFAULT_NAME
    if len(name.encode()) <= MAX_BYTES:
        return name
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending.encode()) > MAX_ENDING_BYTES:
        stem, dot, ending = name, "", ""
    room = MAX_BYTES - len(f"{dot}{ending}".encode())
    return f"{stem.encode()[:room].decode(errors='ignore').rstrip()}{dot}{ending}"


def _to_visible(char: str) -> str:
    category = unicodedata.category(char)
    if char in "\t\n\r" or category in ("Zl", "Zp"):
        return " "
    return "" if category.startswith("C") else char
