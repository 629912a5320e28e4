"""Active constructs that a CommonMark renderer finds in a text."""

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["find_active_markup"]

ACTIVE = frozenset({"link_open", "image", "html_inline", "html_block"})
_MARKDOWN = MarkdownIt("commonmark").enable("table")


def find_active_markup(text: str) -> list[str]:
    """Return the types of links, images and tags that a CommonMark renderer finds in a text."""

    def list_types(tokens: list[Token]) -> list[str]:
        found = []
        for token in tokens:
            found += [token.type] if token.type in ACTIVE else []
            found += list_types(token.children or [])
        return found

    return list_types(_MARKDOWN.parse(text))
