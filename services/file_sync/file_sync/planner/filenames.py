"""Names of files as people have them, made into names that an object and a citation can have."""

import unicodedata

__all__ = ["MAX_BYTES", "clean_filename"]

MAX_BYTES = 200
"""Longest name, in UTF-8: with the longest tenant, persona and id a key has 350 of S3's 1,024 bytes."""

ENDING_BYTES = 16
"""A longer ending is none, and is cut like the rest."""

NAMELESS = "file"


def clean_filename(name: str) -> str:
    """Return a name that is safe, near to the given one, and the same for the same one.

    No name is refused. A slash becomes ``_``; what cannot be seen goes, and with it what turns the reading
    direction; what is too long is cut in the middle, so that its ending stays.
    """
    name = unicodedata.normalize("NFC", name.replace("/", "_").replace("\\", "_"))
    name = " ".join("".join(char for char in map(_visible, name)).split())
    if name.strip(". ") == "":
        return NAMELESS
    if len(name.encode()) <= MAX_BYTES:
        return name
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending.encode()) > ENDING_BYTES:
        stem, dot, ending = name, "", ""
    room = MAX_BYTES - len(f"{dot}{ending}".encode())
    return f"{stem.encode()[:room].decode(errors='ignore').rstrip()}{dot}{ending}"


def _visible(char: str) -> str:
    category = unicodedata.category(char)
    if char in "\t\n\r" or category in ("Zl", "Zp"):
        return " "
    return "" if category.startswith("C") else char
