"""Names of files as people send them: one form for the same name, and none that could mean a path."""

import unicodedata

from ..problems import FilenameRefused

__all__ = ["clean_filename"]

MAX_BYTES = 255
"""Longest name on common file systems, in UTF-8; with the rest of its key it stays far below S3's 1,024."""


def clean_filename(name: str) -> str:
    """Return a name in the form under which it is stored.

    Names are normalised, because the same name typed on two systems is to be the same document.

    Raises
    ------
    FilenameRefused
        It is empty, too long, or holds separators or characters that cannot be seen.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if name in ("", ".", ".."):
        raise FilenameRefused("The file needs a name.")
    if "/" in name or "\\" in name:
        raise FilenameRefused("The file's name must not hold a slash or a backslash.")
    if any(_is_invisible(char) for char in name):
        raise FilenameRefused("The file's name must not hold control characters.")
    if len(name.encode()) > MAX_BYTES:
        raise FilenameRefused(f"The file's name is longer than {MAX_BYTES} bytes.")
    return name


def _is_invisible(char: str) -> bool:
    """Control, format (among them those that turn the reading direction), surrogate, unassigned."""
    category = unicodedata.category(char)
    return category.startswith("C") or category in ("Zl", "Zp")
