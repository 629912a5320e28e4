"""Second check of answers for Open WebUI, independent of the sanitizer: neutralises active Markdown.

The check is simple on purpose and shares only the list of languages with the sanitizer. It parses the
sanitized text again and changes nothing if the sanitizer is correct. It never changes backticks: a change
that starts or ends code would also turn prose elsewhere into code.
"""

import re
from typing import NamedTuple

from .markdown import LANGUAGES

__all__ = ["OutputCheck"]

INVISIBLE = "\u200b"
FENCE = "```"
RENDERED = frozenset({"html", "svg", "xml", "css", "js", "javascript"})
"""Languages that Open WebUI renders as a page after three backticks anywhere in a line."""

MAX_HELD_CHARACTERS = 2_500
"""Maximum number of characters that are held back while their meaning is undecided."""

_TAIL_CHARACTERS = 300
_TEXT = re.compile(r"[^\\`<\]:.@{\r\n]+")
_NEWLINE = re.compile(r"\r\n|[\r\n]")
_FENCE = re.compile(r" *```([\w+#-]*)[ \t]*(?=[\r\n]|\Z)")
_COULD_BE_FENCE = re.compile(r" *`{0,3}[\w+#-]*[ \t]*")
_SPAN = re.compile(r"(`+)(?!`)([^\r\n]*?[^`\r\n])\1(?!`)")
_FORMULA = re.compile(r"\$\$|\\[\[b]")
_FORMULA_END = re.compile(r"\$\$|\\\]|\\end|\]:")
_LABEL = re.compile(r"(?:\A|[\r\n])[ \t>*+\-\d.)]*\[[^\]]*\Z")
_SPACE_LIKE = r"\x00-\x20\x7f-\xa0\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"
"""Characters that any renderer treats as spaces, and zero-width characters."""
_TARGET = rf"[ \t]*+(?![^{_SPACE_LIKE}()<>\\]+[ \t]+[^{_SPACE_LIKE}\"'()])"


class _Trigger(NamedTuple):
    """Character that activates a construct if certain text precedes and follows it."""

    before: re.Pattern[str]
    following: re.Pattern[str]
    could_be: re.Pattern[str]
    breaks_after: bool


def _build_trigger(before: str, following: str, could_be: str, *, breaks_after: bool) -> _Trigger:
    flags = re.IGNORECASE
    return _Trigger(
        re.compile(rf"(?:{before})\Z", flags),
        re.compile(following, flags),
        re.compile(could_be),
        breaks_after,
    )


_TRIGGERS = {
    "<": _build_trigger(
        "",
        r"<(?:[!?]|[@#$][^|> \t\r\n]|/?[a-z][\w-]*(?:[\s\ufeff][^<>]*)?/?>"
        r"|[a-z][\w.+-]+:[^<> \t\r\n]*>|[^<>\s@\u200b]+@[^<>\s]+>)",
        r"<[^<>\r\n]*",
        breaks_after=True,
    ),
    "]": _build_trigger(
        "", rf"\](?:\({_TARGET}|:{_TARGET})", r"\](?:[(:][ \t]*[^\s()<>]*[ \t]*)?", breaks_after=True
    ),
    ":": _build_trigger("https?|ftp", r"://[^ \t\r\n<>]", r":/{0,2}", breaks_after=False),
    ".": _build_trigger("www", r"\.[^\W_]", r"\.", breaks_after=False),
    "@": _build_trigger(r"[\w.+-]", r"@[\w-]+\.[^\W_]", r"@[\w-]*\.?", breaks_after=False),
    "{": _build_trigger("", r"\{\{(?:char\}|user\}|video_file_|html_file_)", r"\{\{?\w*", breaks_after=True),
}


class OutputCheck:
    """Incremental check of one answer."""

    def __init__(self) -> None:
        self._text = ""
        self._at = 0
        self._final = False
        self._emitted: list[str] = []
        self._tail = ""
        self._seen: set[str] = set()
        self._line_begins = True
        self._is_blank = True
        self._in_fence = False
        self._formulas = False
        self._is_unambiguous = True

    def feed(self, text: str) -> str:
        """Add a piece; return the text that can be shown."""
        return self._check(text, final=False)

    def finish(self) -> str:
        """Return the text that was held back."""
        return self._check("", final=True)

    def _check(self, text: str, *, final: bool) -> str:
        self._text, self._at = self._text[self._at :] + text, 0
        self._emitted, self._final = [], final
        while self._at < len(self._text) and self._consume_next():
            pass
        return "".join(self._emitted)

    def _consume_next(self) -> bool:
        """Emit some text and return True, or return False if more text is needed."""
        if newline := _NEWLINE.match(self._text, self._at):
            return self._end_line(newline)
        return self._begin_line() if self._line_begins else self._read()

    def _emit(self, end: int, before: str = "", after: str = "") -> bool:
        text = self._text[self._at : end]
        self._emitted.append(before + text + after)
        self._tail = (self._tail + text)[-_TAIL_CHARACTERS:]
        self._is_blank = self._is_blank and not text.strip()
        self._at = end
        return True

    def _needs_more_text(self, end: int) -> bool:
        return end == len(self._text) and not self._final and end - self._at < MAX_HELD_CHARACTERS

    def _end_line(self, newline: re.Match[str]) -> bool:
        if newline[0] == "\r" and self._needs_more_text(newline.end()):
            return False
        if self._is_blank:
            self._seen, self._tail = set(), ""
        self._emit(newline.end())
        self._line_begins = self._is_blank = True
        return True

    def _begin_line(self) -> bool:
        could_be = _COULD_BE_FENCE.match(self._text, self._at)
        line = _NEWLINE.search(self._text, self._at)
        if (could_be and self._needs_more_text(could_be.end())) or (
            self._in_fence and self._formulas and not line and self._needs_more_text(len(self._text))
        ):
            return False
        self._line_begins = False
        fence = _FENCE.match(self._text, self._at)
        if fence and fence[1].lower() in {"", *LANGUAGES}:
            self._is_unambiguous &= not (fence[1] and self._in_fence)
            self._in_fence = not self._in_fence
            return self._emit(fence.end())
        end = line.start() if line else len(self._text)
        if self._in_fence and self._formulas and _FORMULA_END.search(self._text, self._at, end):
            self._is_unambiguous = False
        return True

    def _read(self) -> bool:
        character = self._text[self._at]
        if character == "`":
            return self._read_backticks()
        if self._in_fence and self._is_unambiguous:
            tick = re.compile(r"[`\r\n]").search(self._text, self._at)
            return self._emit(tick.start() if tick else len(self._text))
        if text := _TEXT.match(self._text, self._at):
            self._seen.update(text[0])
            self._formulas |= "$$" in self._tail[-1:] + text[0]
            return self._emit(text.end())
        self._seen.add(character)
        if character == "\\":
            return False if self._needs_more_text(self._at + 1) else self._read_escape()
        return self._read_trigger(_TRIGGERS[character])

    def _read_escape(self) -> bool:
        escaped = self._text[self._at + 1 : self._at + 2]
        self._formulas |= escaped in ("[", "b")
        self._seen.update(escaped)
        return self._emit(self._at + (1 if escaped in ("\r", "\n", "`") else 2))

    def _read_trigger(self, trigger: _Trigger) -> bool:
        could_be = trigger.could_be.match(self._text, self._at)
        if could_be and self._needs_more_text(could_be.end()):
            return False
        match = trigger.following.match(self._text, self._at)
        is_active = bool(match and trigger.before.search(self._tail))
        if match and match[0][:2] == "](":
            is_active = "[" in self._seen
        elif match and match[0][:2] == "]:":
            is_active = bool(_LABEL.search(self._tail))
        separator = INVISIBLE if is_active else ""
        before, after = ("", separator) if trigger.breaks_after else (separator, "")
        return self._emit(self._at + 1, before, after)

    def _read_backticks(self) -> bool:
        run = re.compile("`+").match(self._text, self._at)
        assert run  # noqa: S101 (the next character is a backtick)
        if self._needs_more_text(run.end()):
            return False
        if self._in_fence and self._is_unambiguous:
            return self._emit(run.end())
        span = _SPAN.match(self._text, self._at)
        line = _NEWLINE.search(self._text, self._at)
        if (
            not line
            and (not span or self._needs_more_text(span.end()))
            and self._needs_more_text(len(self._text))
        ):
            return False
        if span and self._is_code(span[2]):
            return self._emit(span.end())
        self._seen.add("`")
        info = self._text[run.end() : line.start() if line else len(self._text)].strip(" \t").lower()
        renders = len(run[0]) >= len(FENCE) and info in RENDERED
        return self._emit(run.end(), "", INVISIBLE if renders else "")

    def _is_code(self, content: str) -> bool:
        """Return True if no construct that started in the block can end in a code span."""
        seen = self._seen
        return (
            self._is_unambiguous
            and "`" not in seen
            and seen.isdisjoint(set(content) & set("*_~$\\"))
            and not _FORMULA.search(content)
            and "|" not in content
            and not ("}" in content and "\\" in seen)
            and not (("](" in content or "]:" in content) and self._tail.count("[") > self._tail.count("]"))
        )
