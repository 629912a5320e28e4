"""MkDocs hooks of the docs: add Mermaid, and fail if a page fetches anything from another host."""

import re
from html.parser import HTMLParser
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from tenantry_local.processes import LocalError
from typing_extensions import override

from tools import mermaid

__all__ = ["list_outside_fetches", "on_files", "on_post_build", "on_post_page"]

SCRIPT = "assets/mermaid.min.js"
"""Path of Mermaid in the site, as in ``extra_javascript`` of mkdocs.yml."""

DIAGRAM = '<pre class="mermaid">'

_FETCHING_ATTRIBUTES = frozenset({"src", "srcset", "poster", "data", "background"})
_NAVIGATING_RELATIONS = frozenset({"canonical", "prev", "next", "alternate", "author", "license", "edit"})
_OUTSIDE = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
_OUTSIDE_CSS = re.compile(r"""(?:url\(|@import)\s*["']?\s*((?:https?:)?//[^"')\s;]+)""", re.IGNORECASE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add Mermaid to the files of the site."""
    try:
        script = mermaid.install()
    except LocalError as exc:
        raise PluginError(str(exc)) from exc
    files.append(File.generated(config, SCRIPT, abs_src_path=str(script)))
    return files


def on_post_page(output: str, **_: object) -> str:
    """Remove Mermaid, which is 3.5 MB, from pages without a diagram."""
    if DIAGRAM in output:
        return output
    return re.sub(rf'\s*<script src="[^"]*{re.escape(SCRIPT)}"></script>', "", output)


def on_post_build(config: MkDocsConfig) -> None:
    """Fail the build if a page or a style sheet fetches something from another host."""
    if fetches := list_outside_fetches(Path(config.site_dir)):
        raise PluginError("The site fetches from other hosts:\n" + "\n".join(fetches))


def list_outside_fetches(site: Path) -> list[str]:
    """Return each address on another host that a browser fetches to show a page, as ``file: address``.

    A page with a diagram that does not load Mermaid is also reported, because the theme's script would load
    Mermaid from a CDN.
    """
    fetches = []
    for file in sorted([*site.rglob("*.html"), *site.rglob("*.css"), *site.rglob("*.svg")]):
        text = file.read_text()
        parser = _Fetches()
        if file.suffix != ".css":
            parser.feed(text)
        addresses = [*parser.addresses, *_OUTSIDE_CSS.findall(text)]
        if DIAGRAM in text and f'{SCRIPT}"></script>' not in text:
            addresses.append("Mermaid from the theme's CDN")
        fetches += [f"{file.relative_to(site)}: {address}" for address in addresses]
    return fetches


class _Fetches(HTMLParser):
    """Collects the addresses on other hosts that elements of a page fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        relations = set(given.get("rel", "").lower().split())
        fetched = [value for name, value in given.items() if name in _FETCHING_ATTRIBUTES]
        if (tag == "link" and not relations <= _NAVIGATING_RELATIONS) or tag in {"image", "use"}:
            fetched += [given.get("href", ""), given.get("xlink:href", "")]
        self.addresses += [address for address in fetched if _OUTSIDE.match(address)]
