"""MkDocs hooks of the docs: add Mermaid to the site, and fail if a page fetches anything from outside."""

import base64
import hashlib
import re
import subprocess
import tarfile
import tempfile
from html.parser import HTMLParser
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from typing_extensions import override

__all__ = ["list_outside_fetches", "on_files", "on_post_build", "on_post_page", "prepare_mermaid"]

REPOSITORY = Path(__file__).parents[1]

MERMAID = "mermaid@11.17.2"
"""An npm package. Its major version is the one that Material for MkDocs is written for."""

MERMAID_INTEGRITY = "V6K3C8EBdEsPFZXSKMJe6ppQOENxuHARr9GvHX4hh47lAbhMRD9qf4oEK7LoaRQxULMa80/qt5gHO73aCleBBg=="
"""The package's SHA-512, as ``npm view MERMAID dist.integrity`` prints it after ``sha512-``."""

SCRIPT = "assets/mermaid.min.js"
"""Where the site serves Mermaid. ``extra_javascript`` in mkdocs.yml names it."""

DIAGRAM = '<pre class="mermaid">'

_FETCHING_ATTRIBUTES = frozenset({"src", "srcset", "poster", "data", "background"})
_NAVIGATING_RELATIONS = frozenset({"canonical", "prev", "next", "alternate", "author", "license", "edit"})
_OUTSIDE = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
_OUTSIDE_CSS = re.compile(r"""(?:url\(|@import)\s*["']?\s*((?:https?:)?//[^"')\s;]+)""", re.IGNORECASE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add Mermaid to the files of the site."""
    script = prepare_mermaid(REPOSITORY / "build" / "docs")
    files.append(File.generated(config, SCRIPT, abs_src_path=str(script)))
    return files


def on_post_page(output: str, **_: object) -> str:
    """Remove Mermaid, which is 3.5 MB, from pages without a diagram."""
    if DIAGRAM in output:
        return output
    return re.sub(rf'\s*<script src="[^"]*{re.escape(SCRIPT)}"></script>', "", output)


def on_post_build(config: MkDocsConfig) -> None:
    """Fail the build if a page or a style sheet fetches something from another host."""
    if found := list_outside_fetches(Path(config.site_dir)):
        raise PluginError("The site fetches from outside:\n" + "\n".join(found))


def prepare_mermaid(folder: Path) -> Path:
    """Return Mermaid's script in ``folder``; download the pinned npm package if it is not there.

    Raises
    ------
    PluginError
        npm failed, or the package is not the pinned one.
    """
    script = folder / f"{MERMAID}.min.js"
    if not script.exists():
        # A second build needs no Node.js.
        from tenantry_local.programs.node import node  # noqa: PLC0415

        runtime = node()
        with tempfile.TemporaryDirectory() as name:
            argv = [runtime.program, runtime.npm, "pack", MERMAID, "--prefer-offline", "--silent"]
            argv += ["--pack-destination", name]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 (our own arguments)
            if done.returncode:
                raise PluginError(f"npm pack {MERMAID} failed: {done.stderr.strip()}")
            (package,) = Path(name).iterdir()
            _extract(package, script)
    return script


def list_outside_fetches(site: Path) -> list[str]:
    """Return each address on another host that a browser fetches to show a page, as ``file: address``.

    The theme's script loads Mermaid from a CDN if a page has a diagram and does not load Mermaid itself, so
    such a page counts as well.
    """
    found = []
    for file in sorted([*site.rglob("*.html"), *site.rglob("*.css"), *site.rglob("*.svg")]):
        text = file.read_text()
        parser = _Fetches()
        if file.suffix != ".css":
            parser.feed(text)
        addresses = [*parser.addresses, *_OUTSIDE_CSS.findall(text)]
        if DIAGRAM in text and f'{SCRIPT}"></script>' not in text:
            addresses.append("Mermaid from the theme's CDN")
        found += [f"{file.relative_to(site)}: {address}" for address in addresses]
    return found


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


def _extract(package: Path, script: Path) -> None:
    content = package.read_bytes()
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != MERMAID_INTEGRITY:
        raise PluginError(f"{MERMAID} is not the pinned package: its SHA-512 differs")
    with tarfile.open(package) as archive:
        member = archive.extractfile("package/dist/mermaid.min.js")
        if member is None:
            raise PluginError(f"{MERMAID} holds no dist/mermaid.min.js")
        script.parent.mkdir(parents=True, exist_ok=True)
        unfinished = script.with_suffix(".part")
        unfinished.write_bytes(member.read())
        unfinished.replace(script)
