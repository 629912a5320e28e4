"""Normalisation and validation of uploaded file names."""

import unicodedata

from ..problems import FilenameRefused

__all__ = ["validate_filename"]

MAX_BYTES = 255
"""Longest name on common file systems, in UTF-8 bytes; the whole key stays far below S3's 1,024 bytes."""


def validate_filename(name: str) -> str:
    """Validate a name, and return it in the form under which it is stored.

    Names are normalised, so that the same name typed on two systems identifies the same document.

    Raises
    ------
    FilenameRefused
        The name is empty or too long, or contains separators or invisible characters.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if name in ("", ".", ".."):
        raise FilenameRefused("The file needs a name.")
    if "/" in name or "\\" in name:
        raise FilenameRefused("The file's name must not contain a slash or a backslash.")
    if any(_is_invisible(char) for char in name):
        raise FilenameRefused("The file's name must not contain control characters.")
    if len(name.encode()) > MAX_BYTES:
        raise FilenameRefused(f"The file's name is longer than {MAX_BYTES} bytes.")
    return name


def _is_invisible(char: str) -> bool:
    """Return True for control, format (also bidirectional), surrogate and unassigned characters."""
    category = unicodedata.category(char)
    return category.startswith("C") or category in ("Zl", "Zp")
