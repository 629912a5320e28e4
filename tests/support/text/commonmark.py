"""Active constructs that a CommonMark renderer finds in a text."""

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["find_active_markup"]

ACTIVE = frozenset({"link_open", "image", "html_inline", "html_block"})
_MARKDOWN = MarkdownIt("commonmark").enable("table")


def find_active_markup(text: str) -> list[str]:
    """Return the types of links, images and tags that a CommonMark renderer finds in a text."""

    def list_types(tokens: list[Token]) -> list[str]:
        types = []
        for token in tokens:
            types += [token.type] if token.type in ACTIVE else []
            types += list_types(token.children or [])
        return types

    return list_types(_MARKDOWN.parse(text))
