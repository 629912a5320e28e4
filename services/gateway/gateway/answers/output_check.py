"""Second check of an answer for Open WebUI, behind the sanitizer: what could still act there is made text.

It is crude on purpose and shares nothing with the sanitizer but the names of languages: it reads what is
shown again, without the sanitizer's notes, and finds nothing as long as the sanitizer is right. It leaves
backticks as they are: to end or begin code here would make code of prose elsewhere.
"""

import re
from typing import NamedTuple

from .markdown import LANGUAGES

__all__ = ["OutputCheck"]

INVISIBLE = "\u200b"
FENCE = "```"
RENDERED = frozenset({"html", "svg", "xml", "css", "js", "javascript"})
"""Behind three backticks Open WebUI makes a page of these wherever they stand."""

MAX_HELD = 2_500
"""Most characters that are held back while their meaning is open."""

_TAIL = 300
_TEXT = re.compile(r"[^\\`<\]:.@{\r\n]+")
_NEWLINE = re.compile(r"\r\n|[\r\n]")
_FENCE = re.compile(r" *```([\w+#-]*)[ \t]*(?=[\r\n]|\Z)")
_COULD_BE_FENCE = re.compile(r" *`{0,3}[\w+#-]*[ \t]*")
_SPAN = re.compile(r"(`+)(?!`)([^\r\n]*?[^`\r\n])\1(?!`)")
_FORMULA = re.compile(r"\$\$|\\[\[b]")
_FORMULA_END = re.compile(r"\$\$|\\\]|\\end|\]:")
_LABEL = re.compile(r"(?:\A|[\r\n])[ \t>*+\-\d.)]*\[[^\]]*\Z")
_ODD = r"\x00-\x20\x7f-\xa0\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"
"""Spaces, by anybody's reading, and characters without width."""
_TARGET = rf"[ \t]*+(?![^{_ODD}()<>\\]+[ \t]+[^{_ODD}\"'()])"


class _Trigger(NamedTuple):
    """A character that makes something live of what precedes and follows it."""

    before: re.Pattern[str]
    following: re.Pattern[str]
    could_be: re.Pattern[str]
    broken_behind: bool


def _trigger(before: str, following: str, could_be: str, *, broken_behind: bool) -> _Trigger:
    flags = re.IGNORECASE
    return _Trigger(
        re.compile(rf"(?:{before})\Z", flags),
        re.compile(following, flags),
        re.compile(could_be),
        broken_behind,
    )


_TRIGGERS = {
    "<": _trigger(
        "",
        r"<(?:[!?]|[@#$][^|> \t\r\n]|/?[a-z][\w-]*(?:[\s\ufeff][^<>]*)?/?>"
        r"|[a-z][\w.+-]+:[^<> \t\r\n]*>|[^<>\s@\u200b]+@[^<>\s]+>)",
        r"<[^<>\r\n]*",
        broken_behind=True,
    ),
    "]": _trigger(
        "", rf"\](?:\({_TARGET}|:{_TARGET})", r"\](?:[(:][ \t]*[^\s()<>]*[ \t]*)?", broken_behind=True
    ),
    ":": _trigger("https?|ftp", r"://[^ \t\r\n<>]", r":/{0,2}", broken_behind=False),
    ".": _trigger("www", r"\.[^\W_]", r"\.", broken_behind=False),
    "@": _trigger(r"[\w.+-]", r"@[\w-]+\.[^\W_]", r"@[\w-]*\.?", broken_behind=False),
    "{": _trigger("", r"\{\{(?:char\}|user\}|video_file_|html_file_)", r"\{\{?\w*", broken_behind=True),
}


class OutputCheck:
    """Checks one answer, which comes in pieces."""

    def __init__(self) -> None:
        self._text = ""
        self._at = 0
        self._final = False
        self._passed: list[str] = []
        self._tail = ""
        self._seen: set[str] = set()
        self._line_begins = True
        self._is_blank = True
        self._in_fence = False
        self._formulas = False
        self._trusts = True

    def feed(self, text: str) -> str:
        """Return what may be shown after a further piece."""
        return self._check(text, final=False)

    def finish(self) -> str:
        """Return what was held back."""
        return self._check("", final=True)

    def _check(self, text: str, *, final: bool) -> str:
        self._text, self._at = self._text[self._at :] + text, 0
        self._passed, self._final = [], final
        while self._at < len(self._text) and self._step():
            pass
        return "".join(self._passed)

    def _step(self) -> bool:
        """Pass something on and return True, or wait for more text and return False."""
        if newline := _NEWLINE.match(self._text, self._at):
            return self._end_line(newline)
        return self._begin_line() if self._line_begins else self._read()

    def _pass(self, end: int, before: str = "", behind: str = "") -> bool:
        text = self._text[self._at : end]
        self._passed.append(before + text + behind)
        self._tail = (self._tail + text)[-_TAIL:]
        self._is_blank = self._is_blank and not text.strip()
        self._at = end
        return True

    def _waits(self, end: int) -> bool:
        return end == len(self._text) and not self._final and end - self._at < MAX_HELD

    def _end_line(self, newline: re.Match[str]) -> bool:
        if newline[0] == "\r" and self._waits(newline.end()):
            return False
        if self._is_blank:
            self._seen, self._tail = set(), ""
        self._pass(newline.end())
        self._line_begins = self._is_blank = True
        return True

    def _begin_line(self) -> bool:
        could_be = _COULD_BE_FENCE.match(self._text, self._at)
        line = _NEWLINE.search(self._text, self._at)
        if (could_be and self._waits(could_be.end())) or (
            self._in_fence and self._formulas and not line and self._waits(len(self._text))
        ):
            return False
        self._line_begins = False
        fence = _FENCE.match(self._text, self._at)
        if fence and fence[1].lower() in {"", *LANGUAGES}:
            self._trusts &= not (fence[1] and self._in_fence)
            self._in_fence = not self._in_fence
            return self._pass(fence.end())
        end = line.start() if line else len(self._text)
        if self._in_fence and self._formulas and _FORMULA_END.search(self._text, self._at, end):
            self._trusts = False
        return True

    def _read(self) -> bool:
        character = self._text[self._at]
        if character == "`":
            return self._read_backticks()
        if self._in_fence and self._trusts:
            tick = re.compile(r"[`\r\n]").search(self._text, self._at)
            return self._pass(tick.start() if tick else len(self._text))
        if text := _TEXT.match(self._text, self._at):
            self._seen.update(text[0])
            self._formulas |= "$$" in self._tail[-1:] + text[0]
            return self._pass(text.end())
        self._seen.add(character)
        if character == "\\":
            return False if self._waits(self._at + 1) else self._read_escape()
        return self._read_trigger(_TRIGGERS[character])

    def _read_escape(self) -> bool:
        escaped = self._text[self._at + 1 : self._at + 2]
        self._formulas |= escaped in ("[", "b")
        self._seen.update(escaped)
        return self._pass(self._at + (1 if escaped in ("\r", "\n", "`") else 2))

    def _read_trigger(self, trigger: _Trigger) -> bool:
        could_be = trigger.could_be.match(self._text, self._at)
        if could_be and self._waits(could_be.end()):
            return False
        found = trigger.following.match(self._text, self._at)
        acts = bool(found and trigger.before.search(self._tail))
        if found and found[0][:2] == "](":
            acts = "[" in self._seen
        elif found and found[0][:2] == "]:":
            acts = bool(_LABEL.search(self._tail))
        broken = INVISIBLE if acts else ""
        before, behind = ("", broken) if trigger.broken_behind else (broken, "")
        return self._pass(self._at + 1, before, behind)

    def _read_backticks(self) -> bool:
        run = re.compile("`+").match(self._text, self._at)
        assert run  # noqa: S101 (the next character is one)
        if self._waits(run.end()):
            return False
        if self._in_fence and self._trusts:
            return self._pass(run.end())
        span = _SPAN.match(self._text, self._at)
        line = _NEWLINE.search(self._text, self._at)
        if not line and (not span or self._waits(span.end())) and self._waits(len(self._text)):
            return False
        if span and self._is_code(span[2]):
            return self._pass(span.end())
        self._seen.add("`")
        info = self._text[run.end() : line.start() if line else len(self._text)].strip(" \t").lower()
        renders = len(run[0]) >= len(FENCE) and info in RENDERED
        return self._pass(run.end(), "", INVISIBLE if renders else "")

    def _is_code(self, content: str) -> bool:
        """Return True if nothing that was seen in the block can end in a code span."""
        seen = self._seen
        return (
            self._trusts
            and "`" not in seen
            and seen.isdisjoint(set(content) & set("*_~$\\"))
            and not _FORMULA.search(content)
            and "|" not in content
            and not ("}" in content and "\\" in seen)
            and not (("](" in content or "]:" in content) and self._tail.count("[") > self._tail.count("]"))
        )
