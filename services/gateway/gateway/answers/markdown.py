"""Patterns of active Markdown: constructs that a chat client would fetch, run or open.

The rules are those of CommonMark, as markdown-it-py implements it. Where marked 9 with the extensions of Open
WebUI 0.12.4 activates more, its rules apply as well.
"""

import re

from markdown_it import MarkdownIt

__all__ = [
    "CITATION_LIKE",
    "DOMAIN",
    "FENCE",
    "FORMULA_BOUNDARIES",
    "FOUND_BY_LETTERS",
    "HOST",
    "LOCAL_PART",
    "MENTION",
    "NUMBERS",
    "PLACEHOLDER",
    "PREFIX",
    "SCHEME",
    "TARGET",
    "WWW",
    "is_active_tag",
    "is_unfinished_tag",
    "sanitize_language",
]

LANGUAGES = frozenset(
    {
        "bash", "bat", "c", "c++", "clojure", "cmake", "cmd", "console", "cpp", "cs", "csharp", "csv",
        "dart", "dockerfile", "elixir", "erlang", "fortran", "fsharp", "go", "golang", "gradle",
        "graphql", "groovy", "haskell", "hcl", "http", "ini", "java", "json", "json5", "jsonc", "jsonl",
        "julia", "kotlin", "kt", "latex", "less", "log", "lua", "makefile", "markdown", "matlab", "md",
        "nginx", "objectivec", "ocaml", "pascal", "perl", "php", "plain", "plaintext", "powershell",
        "prolog", "properties", "protobuf", "ps1", "r", "rb", "ruby", "rs", "rust", "scala", "scheme",
        "scss", "sh", "shell", "solidity", "sql", "swift", "terraform", "tex", "text", "toml", "ts",
        "tsv", "tsx", "txt", "typescript", "vb", "vbnet", "verilog", "vhdl", "yaml", "yml", "zsh",
    }
)  # fmt: skip
"""Fence languages that Open WebUI only highlights; it may render (html, svg) or run (python) others."""

HTML_NAMES = frozenset(
    {
        "a", "abbr", "acronym", "address", "animate", "animatemotion", "animatetransform", "applet",
        "area", "article", "aside", "audio", "b", "base", "basefont", "bdi", "bdo", "bgsound", "big",
        "blink", "blockquote", "body", "br", "button", "canvas", "caption", "center", "circle", "cite",
        "code", "col", "colgroup", "command", "content", "data", "datalist", "dd", "defs", "del", "desc",
        "details", "dfn", "dialog", "dir", "div", "dl", "dt", "ellipse", "em", "embed", "fencedframe",
        "fieldset", "figcaption", "figure", "file", "filter", "font", "footer", "foreignobject", "form",
        "frame", "frameset", "g", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hgroup", "hr",
        "html", "i", "iframe", "image", "img", "input", "ins", "isindex", "kbd", "keygen", "label",
        "legend", "li", "line", "link", "listing", "main", "map", "mark", "marker", "marquee", "mask",
        "math", "menu", "menuitem", "meta", "metadata", "meter", "model", "nav", "nobr", "noembed",
        "noframes", "noscript", "object", "ol", "optgroup", "option", "output", "p", "param", "path",
        "pattern", "picture", "plaintext", "polygon", "polyline", "portal", "pre", "progress", "q", "rb",
        "rect", "rp", "rt", "rtc", "ruby", "s", "samp", "script", "search", "section", "select", "set",
        "shadow", "slot", "small", "source", "spacer", "span", "status", "stop", "strike", "strong",
        "style", "sub", "summary", "sup", "svg", "switch", "symbol", "table", "tbody", "td", "template",
        "text", "textarea", "textpath", "tfoot", "th", "thead", "time", "title", "tr", "track", "tspan",
        "tt", "u", "ul", "use", "var", "video", "view", "wbr", "xmp",
    }
)  # fmt: skip
"""Tags with a meaning for browsers or Open WebUI. Other tags without attributes have no effect."""

PREFIX = frozenset(" \t>*+-.)0123456789")
"""Characters that may precede a block on its first line: quotes, bullets and numbers."""

FENCE = re.compile(r"([ \t>*+\-\d.)]*)(`{3,}|~{3,})([^\r\n]*)")

_UNCOMMON = r"\x00-\x20\x7f-\xa0\xad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"
"""Spaces, controls and zero-width characters. JavaScript and Python disagree about which are spaces."""

TARGET = re.compile(rf"[(:][ \t]*+(?![^{_UNCOMMON}()<>\\]+[ \t]+[^{_UNCOMMON}\"'()])")
"""Possible link target after a label. Two words are not a target, unless the second is a title."""

DOMAIN = re.compile(r"@[\w-]+(?:\.[\w-]*[^\W_])+")
LOCAL_PART = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]\Z")
HOST = re.compile(r"//[\w-]+\.[^\W\d_]")
SCHEME = re.compile(r"(?:https?|ftp)\Z", re.IGNORECASE)
WWW = re.compile(r"www\Z", re.IGNORECASE)
MENTION = re.compile(r"<[@#$][^|> \t\r\n]")
PLACEHOLDER = re.compile(r"\{\{(?:char\}|user\}|video_file_id_|html_file_id_)", re.IGNORECASE)
"""Placeholders that Open WebUI replaces by names, videos and pages before it parses the Markdown."""

FOUND_BY_LETTERS = re.compile(r"</?(?:html|script|style)>|</?details", re.IGNORECASE)
"""Tags that Open WebUI detects by text search, in code as well; a backslash does not neutralise them."""

CITATION_LIKE = re.compile(r"(?<!\\)(?:\\\\)*\[(?:\^[\s\ufeff]*[\w-]+[\s\ufeff]*|\d+(?:,[\s\ufeff]*\d+)*)\Z")
"""Text that Open WebUI reads as a source or footnote number, up to its closing bracket."""

NUMBERS = re.compile(r"\[\d+(?:,[\s\ufeff]*\d+)*\Z")
"""Start of a source number with a suffix (``[1#suffix]``), up to the ``#``."""

FORMULA_BOUNDARIES = r"\s\ufeff!-/:-@\[-`{-~\u2010-\u2027\u3000-\u9fff\uff01-\uff65«»"
"""Characters that delimit a formula for Open WebUI."""

_SPACE = "\ufeff"
"""Character that Open WebUI treats as a space in a tag, in addition to Python's spaces."""
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
"""Control characters; renderers disagree about whether they are letters."""
_TAG = re.compile(r"</?[A-Za-z][\w.:-]*(?=[\s/]|\Z)")
_TYPE = re.compile(r"<([A-Za-z][\w.-]*)>")
_MAIL = re.compile(r"<[^\s<>:]+@[^\s<>:]+>")
_BLOCK_NAMES = {name for name in HTML_NAMES if len(name) > 1 or name == "p"}
"""Superset of the tag names that start an HTML block."""
_ACTIVE_TYPES = frozenset({"html_inline", "link_open"})
_MARKDOWN = MarkdownIt("commonmark")
_MARKDOWN.validateLink = lambda _: True  # type: ignore[method-assign, assignment]
"""Parser of tags and of addresses in angle brackets, with any scheme."""


def is_active_tag(tag: str, before: str, *, strict: bool) -> bool:
    """Return True if a renderer would activate a tag or, if strict, would not display it.

    Parameters
    ----------
    tag
        Text from ``<`` to the first ``>``.
    before
        Character before the tag.
    """
    tag = tag.replace(_SPACE, " ")
    return any(_is_active_tag(spelling, before, strict=strict) for spelling in {tag, _CONTROLS.sub("a", tag)})


def _is_active_tag(tag: str, before: str, *, strict: bool) -> bool:
    begin = _TAG.match(tag)
    if any(quote in tag for quote in "\"'`"):  # a ``>`` in quotes possibly does not end the tag
        return bool(begin) or ":" in tag
    if begin and begin[0].strip("</").lower() in _BLOCK_NAMES:  # whatever attributes the tag has
        return True
    tokens = _MARKDOWN.parseInline(tag.replace("_", "-"))[0].children or []  # marked allows _ in names
    if not tokens or tokens[0].type not in _ACTIVE_TYPES:
        return False
    if strict:
        return True
    named = _TYPE.fullmatch(tag)
    is_type = named and named[1].lower() not in HTML_NAMES and before.isalnum()
    return not (is_type or _MAIL.fullmatch(tag))


def is_unfinished_tag(text: str) -> bool:
    """Return True if a text may start a tag that ends on a later line, or an HTML block."""
    return bool(_TAG.match(text.replace(_SPACE, " ")))


def sanitize_language(info: str) -> str:
    """Return a safe info string for a fence in place of the model's."""
    language = info.strip(" \t")
    if not language or language.lower() in LANGUAGES:
        return info
    word = language.split()[0] if language.split() else ""
    return word if word.lower() in LANGUAGES else "text"
