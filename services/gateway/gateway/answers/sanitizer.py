r"""Streaming sanitizer of answers: a backslash before whatever a chat would fetch, run or open.

A passage can talk a model into writing an image whose address carries what was read to somebody else, or a
page with a script in it. Everything else in an answer is the model's text and stays as it is.

``\<`` is text to every renderer, wherever it stands. But in code it would be seen, and renderers disagree
about where code ends: what one takes for code is live in another. So code that holds something live is left
alone only where all of them agree, and is escaped like prose elsewhere. Once they may disagree about a fence,
nothing after it counts as code.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from . import markdown
from .markdown import is_live_tag, is_unfinished_tag, safe_language

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MARKERS", "AnswerFormat", "AnswerSanitizer", "sanitize"]

MAX_LOOKAHEAD = 2_000
"""Most characters that are held back: longer tags, code spans and openings of fences are not recognised."""

MARKERS = "\ud800-\ud8ff"
"""Surrogates stand for citation markers while text is processed: no text can contain one."""

INVISIBLE = "\u200b"
"""Open WebUI also finds blocks of its own behind a first character, so a backslash there hides nothing."""

_TAIL = 300
"""Characters that are remembered of what was shown."""

_TRIMMED = re.compile(r"[\t\n\v\f\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*")
"""Open WebUI takes these off the beginning of an answer, so an indentation there is none."""

_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_PLAIN = re.compile(rf"[^\\`<\[\]:/@{{.>\r\n~$*_{MARKERS}]+")
_RUN_OR_END = re.compile(r"`+|[\r\n]")
_TAG_END = re.compile(r"[>\r\n]")
_COULD_BE_FENCE = re.compile(r"[ \t>*+\-\d.)]*(?:~{1,2}|`{0,2})")
_COULD_BE_CLOSER = re.compile(r"[ \t]*[`~]*[`~ \t]*")
_COULD_BE_TARGET = re.compile(r"[(:][ \t]*[^\s()<>]*[ \t]*")
_COULD_BE_DOMAIN = re.compile(r"@[\w.-]*|//[\w-]*\.?")
_COULD_BE_PLACEHOLDER = re.compile(r"\{\{[\w}]*")
_BULLET = re.compile(r" *(?:[-*+]|\d{1,9}[.)]) +(?=\S)")
_BRACKET = re.compile(r"(?<!\\)[\[\]]")
_UNDERLINE = re.compile(r" *(?:=+|-+) *(?=[\r\n]|\Z)")
_COULD_BE_UNDERLINE = re.compile(r" *(?:=+|-+) *")
_MATH_BEGIN = re.compile(r"\$\$|\\[\[b]")
_MATH_END = re.compile(r"\$\$|\\\]|\\end\{")
_NOT_YET = False
_HAZARDS = frozenset("$~*_[\\")


class AnswerFormat(StrEnum):
    """The program that an answer is written for."""

    TEXT = "text"
    """It shows text, or renders plain Markdown."""
    MARKDOWN = "markdown"
    """It renders Markdown as Open WebUI does: what would not be shown as it was written is escaped, too."""


@dataclass
class _Block:
    """What a block of prose has held so far by which a renderer could misread later backticks."""

    hazards: set[str] = field(default_factory=set)
    stray: bool = False
    """A run of backticks that its line does not close: a later line might."""
    irregular: bool = False
    """Backticks that a renderer pairs differently when it only counts them."""


@dataclass(frozen=True)
class _Fence:
    indent: int
    run: str

    def closes(self, line: str) -> bool | None:
        """Return True if a line ends the fence for every renderer; ``None`` if only for some."""
        if not line.strip(" \t").startswith(self.run):
            return False
        indent = len(line) - len(line.lstrip(" "))
        near = indent == self.indent or (not self.indent and indent <= 3)
        return True if near and set(line.strip(" ")) == {self.run[0]} else None


class AnswerSanitizer:
    """Sanitizes one answer, which comes in pieces; the pieces together are what the whole would have been."""

    def __init__(self, answer_format: AnswerFormat = AnswerFormat.TEXT) -> None:
        self._strict = answer_format is AnswerFormat.MARKDOWN
        self._final = False
        self._text = ""
        self._at = 0
        self._shown: list[str] = []
        self._tail = ""
        self._begun = False
        self._line_begins = True
        self._follows_text = False
        self._fence_in_text = False
        self._only_prefix = True
        self._blank = True
        self._block = _Block()
        self._fence: _Fence | None = None
        self._list_indents: list[int] = []
        self._math = False
        self._label = False
        self._distrusts = False
        self._literal_run = -1
        self._readers: dict[str, Callable[[], bool]] = {
            "\\": self._read_backslash,
            "`": self._read_backticks,
            "<": self._read_angle,
            ">": self._read_greater_than,
            "[": self._read_label_begin,
            "]": self._read_label_end,
            ":": self._read_colon,
            "/": self._read_host,
            "@": self._read_mail,
            "{": self._read_brace,
            ".": self._read_dot,
            "~": self._read_tilde,
            "$": self._read_dollar,
            "*": self._read_one,
            "_": self._read_one,
        }

    def feed(self, text: str) -> str:
        """Return what may be shown after a further piece, possibly nothing yet."""
        return self._sanitize(text, final=False)

    def finish(self) -> str:
        """Return what was held back, when there is no further piece."""
        return self._sanitize("", final=True)

    def _sanitize(self, text: str, *, final: bool) -> str:
        self._text = self._text[self._at :] + text
        self._literal_run -= self._at
        self._at, self._shown, self._final = 0, [], final
        while self._at < len(self._text) and self._step():
            pass
        return "".join(self._shown)

    # A step shows something and returns True, or waits for more text and returns False.

    def _step(self) -> bool:
        if not self._begun:
            space = _TRIMMED.match(self._text)
            if space and space.end():
                self._shown.append(space[0])
                self._at = space.end()
            self._begun = self._at < len(self._text)
            return True
        if self._text[self._at] in "\r\n":
            return self._end_line()
        if self._line_begins:
            return self._begin_line_in_fence(self._fence) if self._fence else self._begin_line()
        if self._fence:
            return self._show(self._line_end() - self._at)
        return self._read_prose()

    def _show(self, length: int, before: str = "") -> bool:
        """Show so much of the text, after something of ours."""
        text = self._text[self._at : self._at + length]
        self._shown.append(before + text)
        self._at += length
        self._tail = (self._tail + text)[-_TAIL:]
        if self._only_prefix:
            self._only_prefix = markdown.PREFIX.issuperset(text)
            self._blank = self._blank and not text.strip(" \t")
        return True

    def _escape(self) -> bool:
        return self._show(1, "\\")

    def _peek(self, length: int = 1) -> str | None:
        """Return the characters after the next; ``None`` if they are not there yet."""
        text = self._text[self._at + 1 : self._at + 1 + length]
        return text if self._final or len(text) == length else None

    def _is_open(self, end: int) -> bool:
        """Return True if what ends there may go on in the next piece."""
        return end == len(self._text) and not self._final and end - self._at < MAX_LOOKAHEAD

    def _line_end(self) -> int:
        found = re.compile("[\r\n]").search(self._text, self._at, self._at + MAX_LOOKAHEAD)
        return found.start() if found else min(len(self._text), self._at + MAX_LOOKAHEAD)

    # Lines

    def _end_line(self) -> bool:
        following = self._peek() if self._text[self._at] == "\r" else ""
        if following is None:
            return False
        if self._blank and not self._fence:
            self._block = _Block()
            self._fence_in_text = False
        self._follows_text = not (self._blank or self._fence)
        self._show(2 if following == "\n" else 1)
        self._line_begins = self._only_prefix = self._blank = True
        return True

    def _begin_line(self) -> bool:
        """Decide whether a fence begins."""
        could_be = _COULD_BE_FENCE.match(self._text, self._at, self._at + MAX_LOOKAHEAD)
        assert could_be  # noqa: S101 (it matches nothing, too)
        if self._is_open(could_be.end()):
            return False
        opener = markdown.FENCE.match(self._text, self._at, self._at + MAX_LOOKAHEAD)
        if opener and self._is_open(opener.end()):
            return False
        if not opener or (opener[2][0] == "`" and "`" in opener[3]):
            if self._fence_in_text and (underline := _COULD_BE_UNDERLINE.match(self._text, self._at)):
                if self._is_open(underline.end()):
                    return False
                if _UNDERLINE.match(self._text, self._at):
                    self._add_blank_line()
            self._note_indent(could_be[0])
            self._line_begins = False
            return True
        return self._begin_fence(opener)

    def _begin_fence(self, opener: re.Match[str]) -> bool:
        prefix, run, info = opener.groups()
        whole = opener.end() - self._at < MAX_LOOKAHEAD
        if self._strict and self._follows_text and not self._distrusts:
            needs_blank_line = self._could_be_heading(run, opener.end())
            if needs_blank_line is None:
                return False
            if needs_blank_line:
                self._add_blank_line()
            self._fence_in_text = not needs_blank_line
        self._line_begins = False
        indent = len(prefix)
        nested = any(each <= indent <= each + 3 for each in self._list_indents)
        if prefix.strip(" ") or not whole or not (indent <= 3 or nested):
            self._distrusts = True
        if not self._distrusts:
            self._fence = _Fence(indent, run)
        self._show(len(prefix) + len(run))
        language = safe_language(info) if self._strict else info
        if not whole:
            return self._escape() if info else True
        if self._distrusts and language == info:
            return True  # the rest of the line is read as prose
        self._shown.append(language)
        self._at += len(info)
        return True

    def _add_blank_line(self) -> None:
        self._shown.append("\r" if self._tail.endswith("\r") else "\n")

    def _could_be_heading(self, run: str, at: int) -> bool | None:
        """Return True if Open WebUI might read text, a fence and an underline in it as one heading.

        A blank line before the fence prevents it. ``None`` if that is not known yet.
        """
        line = r"(?>\r\n|[\r\n])"
        ends = re.compile(
            rf"{line}[ \t]*(?:{run}[~`]*[ \t]*(?=[\r\n]|\Z)|(?=[\r\n]))|({line}{_UNDERLINE.pattern})"
        )
        end = ends.search(self._text, at, at + MAX_LOOKAHEAD)
        is_open = end is None or end.end() == len(self._text)
        if is_open and not self._final and len(self._text) < at + MAX_LOOKAHEAD:
            return None
        return end is None or end[1] is not None

    def _note_indent(self, prefix: str) -> None:
        """Remember how far the text of list items is indented, for fences in them."""
        indent = len(prefix) - len(prefix.lstrip(" "))
        if bullet := _BULLET.match(self._text, self._at, self._at + MAX_LOOKAHEAD):
            self._list_indents = [each for each in self._list_indents if each <= indent]
            self._list_indents.append(bullet.end() - self._at)
        elif self._text[self._at + indent : self._at + indent + 1] not in ("", "\r", "\n"):
            self._list_indents = [each for each in self._list_indents if each <= indent]

    def _begin_line_in_fence(self, fence: _Fence) -> bool:
        could_be = _COULD_BE_CLOSER.match(self._text, self._at, self._at + MAX_LOOKAHEAD)
        assert could_be  # noqa: S101 (it matches nothing, too)
        end = self._line_end() if self._math or self._label else could_be.end()
        if self._is_open(end):
            return False
        line = self._text[self._at : end]
        indent = len(line) - len(line.lstrip(" "))
        ends_there = self._text[end : end + 1] in ("", "\r", "\n")
        if ends_there and fence.closes(line) is not False:
            self._distrusts = fence.closes(line) is None
            self._fence = None
            self._line_begins = False
            return self._show(len(line))
        leaves = indent < fence.indent and self._text[self._at + indent : self._at + indent + 1] not in (
            "",
            "\r",
            "\n",
        )
        if leaves or self._ends_what_began_before(line):
            self._distrusts, self._fence = True, None
            return True
        self._label = self._label and not _BRACKET.search(line)
        self._line_begins = False
        return True

    def _ends_what_began_before(self, line: str) -> bool:
        """Return True if a line of a fence may end a formula or a label in which Open WebUI saw no fence."""
        if self._math and _MATH_END.search(line):
            return True
        return (self._math or self._label) and ("]:" in line or len(line) == MAX_LOOKAHEAD)

    # Prose

    def _read_prose(self) -> bool:
        if plain := _PLAIN.match(self._text, self._at):
            return self._show(len(plain[0]))
        character = self._text[self._at]
        if character in _HAZARDS and character != "\\":
            self._block.hazards.add(character)
        return self._readers.get(character, self._read_marker)()

    def _read_one(self) -> bool:
        return self._show(1)

    def _read_label_begin(self) -> bool:
        self._label = self._begins_block()
        return self._show(1)

    def _read_dot(self) -> bool:
        following = self._peek()
        if following is None:
            return False
        is_host = markdown.WWW.search(self._tail) and following[:1].isalnum()
        return self._escape() if is_host else self._show(1)

    def _read_greater_than(self) -> bool:
        runs = self._strict and markdown.RUN_BY_NAME.search(self._tail)
        return self._escape() if runs else self._show(1)

    def _read_tilde(self) -> bool:
        following = self._peek(2)
        if following is None:
            return False
        return self._escape() if self._strict and following == "~~" else self._show(1)

    def _read_dollar(self) -> bool:
        self._math |= self._tail.endswith("$")
        return self._show(1)

    def _read_backslash(self) -> bool:
        following = self._peek()
        if following is None:
            return False
        if following in ("[", "(", "b", "c", "p", "\\"):  # math, for Open WebUI
            self._block.hazards.add("\\")
            self._math |= following in "[b\\"
        if following in _PUNCTUATION:
            self._block.irregular |= following == "`"
            before = (
                self._before_bracket("\\")[:1]
                if following == "]"
                else INVISIBLE * (self._strict and following in ("<", ":") and self._begins_block())
            )
            return self._show(2, before)
        is_marker = following and re.match(f"[{MARKERS}]", following)
        return self._escape() if is_marker else self._show(1)

    def _read_backticks(self) -> bool:
        run = re.compile("`+").match(self._text, self._at, self._at + MAX_LOOKAHEAD)
        assert run  # noqa: S101 (the next character is one)
        if self._is_open(run.end()):
            return False
        if self._at == self._literal_run:
            return self._show_literally(len(run[0]))
        is_fence_after_math = self._strict and len(run[0]) > 2
        if self._distrusts:
            return self._show_literally(len(run[0])) if is_fence_after_math else self._show(len(run[0]))
        end = self._code_end(run)
        if end is _NOT_YET:
            return False
        if isinstance(end, re.Match):
            return self._read_code(len(run[0]), end)
        self._block.stray = self._block.irregular = True
        return self._show_literally(len(run[0])) if is_fence_after_math else self._show(len(run[0]))

    def _code_end(self, run: re.Match[str]) -> re.Match[str] | bool | None:
        """Return the run of backticks that ends a code span on its line; ``_NOT_YET`` while that is open."""
        limit = run.end() + MAX_LOOKAHEAD
        for end in _RUN_OR_END.finditer(self._text, run.end(), limit):
            if end[0] in "\r\n":
                return None
            if len(end[0]) == len(run[0]) and self._text[end.end() : end.end() + 1] != "`":
                return end if self._final or end.end() < len(self._text) else _NOT_YET
        return None if self._final or len(self._text) > limit else _NOT_YET

    def _read_code(self, run: int, end: re.Match[str]) -> bool:
        content = self._text[self._at + run : end.start()]
        is_swallowed = self._strict and self._tail.endswith("~")
        if is_swallowed or (markdown.LIVE.search(content) and not self._is_code_for_all(content)):
            self._literal_run = end.start()
            return self._show_literally(run)
        self._block.hazards |= _HAZARDS.intersection(content)
        self._label = self._label and not _BRACKET.search(content)
        self._block.irregular |= run > 1
        return self._show(end.end() - self._at, self._before_marker())

    def _show_literally(self, run: int) -> bool:
        self._block.irregular = True
        for _ in range(run):
            self._escape()
        return True

    def _is_code_for_all(self, content: str) -> bool:
        """Return True if no renderer would end something that began earlier in the middle of a code span."""
        block = self._block
        both = block.hazards.intersection(content)
        return not (
            block.stray
            or self._tail.endswith("~")
            or _MATH_BEGIN.search(content)
            or "|" in content  # a cell of a table ends there
            or both & {"$", "~", "\\"}
            or ("}" in content and "\\" in block.hazards)
            or ("](" in content and "[" in block.hazards)
            or ("]:" in content and self._label)
            or (both & {"*", "_"} and block.irregular)
        )

    def _read_angle(self) -> bool:
        following = self._peek(2)
        if following is None:
            return False
        if self._strict and markdown.MENTION.match("<" + following):
            return self._escape()
        if following[:1] in ("!", "?"):
            is_tag = following[0] == "?" or following[1:].isalpha() or following[1:] in ("-", "[")
            return self._escape() if is_tag else self._show_less_than()
        if not (following[:1] == "/" or (following[:1].isascii() and following[:1].isalpha())):
            return self._show_less_than()
        end = _TAG_END.search(self._text, self._at, self._at + MAX_LOOKAHEAD)
        if end is None and self._is_open(len(self._text)):
            return False
        if end and end[0] == ">":
            tag = self._text[self._at : end.end()]
            is_live = is_live_tag(tag, self._tail[-1:], strict=self._strict)
        else:
            rest = self._text[self._at : end.start() if end else self._at + MAX_LOOKAHEAD]
            is_live = is_unfinished_tag(rest)
        opens_block = self._strict and self._begins_block()
        if is_live and opens_block and self._text.startswith("<details", self._at):
            self._shown.append(INVISIBLE)
        return self._escape() if is_live else self._show_less_than()

    def _begins_block(self) -> bool:
        """Return True if a block may begin here: at a line's start, or for Open WebUI after a formula."""
        return self._only_prefix or self._tail.rstrip(" ").endswith(("$$", "\\]", "}"))

    def _show_less_than(self) -> bool:
        self._block.irregular = True
        return self._show(1)

    def _read_label_end(self) -> bool:
        label = self._label
        waits = self._label_ends_open()
        if waits is None:
            return False
        before = self._before_bracket()
        self._label |= label and bool(before)  # of an escaped bracket it goes on
        self._show(1, before)
        return self._escape() if waits else True

    def _before_bracket(self, pending: str = "") -> str:
        """Return what keeps a closing bracket from ending the number of a source that is none."""
        number = self._strict and markdown.CITATION_LIKE.search(self._tail + pending)
        if not number:
            return ""
        return " \\" if "#" in number[0] else "\\"

    def _before_marker(self) -> str:
        return " " if self._strict and markdown.OPEN_CITATION.search(self._tail) else ""

    def _read_marker(self) -> bool:
        self._label = self._begins_block()
        self._block.hazards.add("[")
        waits = self._label_ends_open()
        if waits is None:
            return False
        self._show(1, self._before_marker())
        return self._escape() if waits else True

    def _label_ends_open(self) -> bool | None:
        """Return True if an address may follow the label that ends here; ``None`` if not known yet."""
        following = self._peek()
        if following is None:
            return None
        is_definition = following == ":" and self._label
        if not (is_definition or (following == "(" and "[" in self._block.hazards)):
            if following != ":" or not self._label:
                self._label = False
            return False
        could_be = _COULD_BE_TARGET.match(self._text, self._at + 1, self._at + MAX_LOOKAHEAD)
        assert could_be  # noqa: S101 (its first character has been seen)
        if self._is_open(could_be.end()):
            return None
        self._label = False
        return bool(markdown.TARGET.match(self._text, self._at + 1, self._at + MAX_LOOKAHEAD))

    def _read_colon(self) -> bool:
        following = self._peek(3)
        if following is None:
            return False
        if self._strict and re.match(r"::[\w-]", following):
            self._show(1)
            return self._escape()
        is_address = following[:2] == "//" and following[2:].strip("<>").strip()
        return self._escape() if is_address and markdown.SCHEME.search(self._tail) else self._show(1)

    def _read_host(self) -> bool:
        if self._tail[-1:].isalnum() or self._tail[-1:] in (":", "/", "\\", "_"):
            return self._show(1)
        following = self._peek()
        if following is None:
            return False
        if following != "/":
            return self._show(1)
        could_be = _COULD_BE_DOMAIN.match(self._text, self._at, self._at + MAX_LOOKAHEAD)
        if could_be and self._is_open(could_be.end()):
            return False
        is_host = markdown.HOST.match(self._text, self._at, self._at + MAX_LOOKAHEAD)
        self._show(1)
        return self._escape() if is_host else self._show(1)

    def _read_mail(self) -> bool:
        if not self._strict or not markdown.LOCAL_PART.search(self._tail):
            return self._show(1)
        could_be = _COULD_BE_DOMAIN.match(self._text, self._at, self._at + MAX_LOOKAHEAD)
        assert could_be  # noqa: S101 (the next character is an @)
        if self._is_open(could_be.end()):
            return False
        is_mail = markdown.DOMAIN.match(self._text, self._at, self._at + MAX_LOOKAHEAD)
        return self._escape() if is_mail else self._show(1)

    def _read_brace(self) -> bool:
        if not self._strict:
            return self._show(1)
        following = self._peek()
        if following is None:
            return False
        could_be = _COULD_BE_PLACEHOLDER.match(self._text, self._at, self._at + MAX_LOOKAHEAD)
        if could_be and self._is_open(could_be.end()):
            return False
        if not markdown.PLACEHOLDER.match(self._text, self._at):
            return self._show(1)
        self._show(1)
        return self._escape()


def sanitize(text: str, answer_format: AnswerFormat = AnswerFormat.TEXT) -> str:
    """Return a whole text, sanitized."""
    sanitizer = AnswerSanitizer(answer_format)
    return sanitizer.feed(text) + sanitizer.finish()
