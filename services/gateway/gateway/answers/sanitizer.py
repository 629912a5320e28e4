r"""Streaming Markdown sanitizer of answers: neutralises whatever a chat client would fetch, run or open.

A passage can inject instructions to write an image whose address leaks the passages, or a page with a script.
All other text of an answer stays unchanged.

Renderers disagree about where code and formulas start and end, so the sanitizer does not depend on their
bounds. It neutralises active constructs everywhere, with characters that start and end no construct.
In prose it inserts a backslash before the significant character. A renderer that sees code or a formula there
would display the backslash or parse a command. So in possible code or formulas, and before ``(``, the
sanitizer inserts a zero-width character. Code stays unchanged only if all renderers agree about it: no
construct of its block can end inside the code.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from . import markdown
from .markdown import is_active_tag, is_unfinished_tag, sanitize_language
from .output_check import OutputCheck

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MARKERS", "AnswerFormat", "AnswerSanitizer", "sanitize"]

MAX_LOOKAHEAD = 2_000
"""Maximum number of characters that are held back; longer tags, code spans and fence openers are not
recognised."""

MARKERS = "\ud800-\ud8ff"
"""Surrogates that represent citation markers during processing; no text can contain them."""

INVISIBLE = "\u200b"
"""Zero-width character that no renderer treats as space or punctuation, so it delimits nothing."""

FENCE = "```"
"""The only emitted fence for Open WebUI, which searches for these three characters everywhere."""

_TAIL_CHARACTERS = 300
"""Number of emitted characters that are kept as context."""

_SPACES = r"\t\v\f \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
"""Characters that Open WebUI, besides line ends, strips from both ends of the text received so far."""

_TRIMMED = re.compile(rf"[\r\n{_SPACES}]*")
"""Start of an answer that Open WebUI strips, so an indentation there has no effect."""

_MARGIN = re.compile(r"(?: *[\r\n])* {0,3}")
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_PLAIN = re.compile(rf"[^\\`<\[\]:/@{{.#\r\n~$*_{MARKERS}]+")
_RUN_OR_END = re.compile(r"`+|[\r\n]")
_TAG_END = re.compile(r"[>\r\n]")
_COULD_BE_FENCE = re.compile(r"[ \t>*+\-\d.)]*(?:~{1,2}|`{0,2})")
_COULD_BE_CLOSER = re.compile(r"[ \t]*[`~]*[`~ \t]*")
_COULD_BE_TARGET = re.compile(r"[(:][ \t]*[^\s()<>]*[ \t]*")
_COULD_BE_DOMAIN = re.compile(r"@[\w.-]*|//[\w-]*\.?")
_COULD_BE_PLACEHOLDER = re.compile(r"\{\{[\w}]*")
_BULLET = re.compile(r" *(?:[-*+]|\d{1,9}[.)]) +(?=\S)")
_BRACKET = re.compile(r"(?<!\\)[\[\]]")
_UNDERLINE = re.compile(rf" *(?:=+|-+)[{_SPACES}]*(?=[\r\n]|\Z)")
"""Underline of a heading. During a stream Open WebUI strips more characters from the underline's end."""
_COULD_BE_UNDERLINE = re.compile(rf" *(?:=+|-+)[{_SPACES}]*")
_MATH_BEGIN = re.compile(r"\$\$|\\[\[b]")
_MATH_END = re.compile(r"\$\$|\\\]|\\end\{")
_FORMULA_BOUNDARY = rf"(?=[{markdown.FORMULA_BOUNDARIES}]|\Z)"
_FORMULA_END = {
    "$": re.compile(rf"(?<![\\$])\$(?!\$){_FORMULA_BOUNDARY}"),
    "$$": re.compile(r"\$\$(?=[ \t]*(?:[\r\n]|\Z))"),
    "\\(": re.compile(rf"(?<!\\)\\\){_FORMULA_BOUNDARY}"),
    "\\[": re.compile(rf"(?<!\\)\\\]{_FORMULA_BOUNDARY}"),
}
"""Pattern of the end of a formula, by its opening delimiter."""
_UNCLEAR = "?"
"""Value of the tracked formula if its start and end are not known."""
_LINE_END = re.compile(r"[\r\n]")
_BLOCK_BEGIN = re.compile(r"[\r\n][ \t]*(?:[\r\n>#|+*`~=-]|\d+[.)]|:::)")
_INDENTED = re.compile(r"(?: {4}| {0,3}\t)")
_NOT_YET = False
_DELIMITERS = frozenset("$~*_[")
"""Characters that may open a construct that a later delimiter closes."""


class AnswerFormat(StrEnum):
    """Format of an answer, by the client that renders it."""

    TEXT = "text"
    """For clients that show plain text or render plain Markdown."""
    MARKDOWN = "markdown"
    """For clients that render Markdown like Open WebUI; text that would not appear verbatim is escaped."""


@dataclass
class _Block:
    """Constructs in the current block of prose that affect how renderers read the rest of the block."""

    delimiters: set[str] = field(default_factory=set)
    brackets: int = 0
    """Number of open brackets; the label of a link may continue."""
    formula: bool = False
    """True if a formula may have started; selects only how constructs are neutralised."""
    ambiguous: bool = False
    """True if renderers may disagree about the block's code; its rest then does not count as code."""


@dataclass(frozen=True)
class _Fence:
    indent: int
    run: str

    def is_closed_by(self, line: str) -> bool | None:
        """Return True if a line closes the fence for all renderers, ``None`` if only for some."""
        if not line.strip(" \t").startswith(self.run):
            return False
        indent = len(line) - len(line.lstrip(" "))
        near = indent == self.indent or (not self.indent and indent <= 3)
        return True if near and set(line.strip(" ")) == {self.run[0]} else None


class AnswerSanitizer:
    """Incremental sanitizer of one answer; the result does not depend on how the text is split."""

    def __init__(self, answer_format: AnswerFormat = AnswerFormat.TEXT) -> None:
        self._strict = answer_format is AnswerFormat.MARKDOWN
        self._check = OutputCheck()
        self._final = False
        self._text = ""
        self._at = 0
        self._shown: list[str] = []
        self._tail = ""
        self._has_started = False
        self._margin = ""
        self._line_begins = True
        self._follows_text = False
        self._fence_in_text = False
        self._only_prefix = True
        self._blank = True
        self._block = _Block()
        self._fence: _Fence | None = None
        self._fence_is_open = False
        self._is_fence_line = False
        self._list_indents: list[int] = []
        self._math = False
        self._label = False
        self._is_ambiguous = False
        self._formula = ""
        self._is_formula_block = False
        self._before_formula: set[str] = set()
        self._indented = False
        self._escaped = False
        self._readers: dict[str, Callable[[], bool]] = {
            "\\": self._read_backslash,
            "`": self._read_backticks,
            "<": self._read_angle,
            "[": self._read_label_begin,
            "]": self._read_label_end,
            ":": self._read_colon,
            "/": self._read_host,
            "@": self._read_mail,
            "{": self._read_brace,
            ".": self._read_dot,
            "#": self._read_number_sign,
            "~": self._read_tilde,
            "$": self._read_dollar,
            "*": self._read_one,
            "_": self._read_one,
        }

    def feed(self, text: str) -> str:
        """Add a piece; return the text that can be shown, possibly none."""
        shown = self._sanitize(text, final=False)
        return self._check.feed(shown) if self._strict else shown

    def finish(self) -> str:
        """Return the text that was held back, after the last piece."""
        rest = self._sanitize("", final=True) + self._build_closing_fence()
        return self._check.feed(rest) + self._check.finish() if self._strict else rest

    def _build_closing_fence(self) -> str:
        """Return the end of an open fence; Open WebUI searches answers with an incomplete fence for pages."""
        if not self._fence_is_open:
            return ""
        indent = " " * (self._fence.indent if self._fence else 0)
        return f"{'' if self._line_begins else chr(10)}{indent}{FENCE}"

    def _sanitize(self, text: str, *, final: bool) -> str:
        self._text = self._text[self._at :] + text
        self._at, self._shown, self._final = 0, [], final
        while self._at < len(self._text) and self._consume_next():
            pass
        return "".join(self._shown)

    # A step emits text and returns True, or returns False if it needs more text.

    def _consume_next(self) -> bool:
        if not self._has_started:
            space = _TRIMMED.match(self._text)
            if space and space.end():
                self._shown.append(space[0])
                self._at = space.end()
                self._margin += space[0]
            self._has_started = self._at < len(self._text)
            self._is_ambiguous = self._has_started and not _MARGIN.fullmatch(self._margin)
            return True
        if self._text[self._at] in "\r\n":
            return self._end_line()
        if self._line_begins:
            return self._begin_line_in_fence(self._fence) if self._fence else self._begin_line()
        return self._read_fenced() if self._fence else self._read_prose()

    def _show(self, length: int, before: str = "") -> bool:
        """Emit a number of characters of the text, after an inserted prefix."""
        text = self._text[self._at : self._at + length]
        self._shown.append(before + text)
        self._at += length
        self._tail = (self._tail + text)[-_TAIL_CHARACTERS:]
        if self._only_prefix:
            self._only_prefix = markdown.PREFIX.issuperset(text)
            self._blank = self._blank and not text.strip(" \t")
        return True

    @property
    def _may_be_code(self) -> bool:
        """True if a renderer may see code or a formula here, where it would display or parse a backslash."""
        return self._is_ambiguous or self._indented or self._block.ambiguous or self._block.formula

    def _neutralize(self) -> bool:
        """Emit the next character so that it activates nothing."""
        return self._show(1, INVISIBLE if self._may_be_code else "\\")

    def _neutralize_angle(self) -> bool:
        """Emit ``<`` so that it starts no tag."""
        is_found = self._strict and markdown.FOUND_BY_LETTERS.match(self._text, self._at)
        before = "" if self._escaped else "\\"
        if not (self._may_be_code or is_found):
            return self._show_angle(before)
        self._show_angle()
        self._shown.append(INVISIBLE)
        return True

    def _show_angle(self, before: str = "") -> bool:
        self._escaped = False
        return self._show(1, before)

    def _show_run(self, length: int) -> bool:
        """Emit a run of fence characters so that they do not form a fence."""
        for _ in range(0, length - 2, 2):
            self._show(2)
            self._shown.append(INVISIBLE)
        return self._show(2 - length % 2)

    def _peek(self, length: int = 1) -> str | None:
        """Return the characters after the next one; ``None`` if they have not arrived yet."""
        text = self._text[self._at + 1 : self._at + 1 + length]
        return text if self._final or len(text) == length else None

    def _is_open(self, end: int) -> bool:
        """Return True if a construct that ends at this index may continue in the next piece."""
        return end == len(self._text) and not self._final and end - self._at < MAX_LOOKAHEAD

    def _find_line_end(self) -> int:
        line_end = _LINE_END.search(self._text, self._at, self._at + MAX_LOOKAHEAD)
        return line_end.start() if line_end else min(len(self._text), self._at + MAX_LOOKAHEAD)

    # Lines

    def _end_line(self) -> bool:
        following = self._peek() if self._text[self._at] == "\r" else ""
        if following is None:
            return False
        if self._formula and not self._is_formula_block:
            self._formula = _UNCLEAR
        if self._blank and not self._fence:
            self._end_block()
        self._follows_text = not (self._blank or self._fence)
        if self._is_fence_line and self._text[self._at] == "\r" and following != "\n":
            self._shown.append("\n")  # Open WebUI would read a language after a lone \r
            self._at += 1
        else:
            self._show(2 if following == "\n" else 1)
        self._is_fence_line = False
        self._line_begins = self._only_prefix = self._blank = True
        self._indented = False
        return True

    def _end_block(self) -> None:
        """Reset the state of a block, except for formulas that may continue."""
        self._block = _Block(set("$\\") if self._math else set(), formula=self._math)
        self._fence_in_text = False
        if not self._is_formula_block:
            self._formula = ""

    def _begin_line(self) -> bool:
        """Start a line of prose or a fence."""
        could_be = _COULD_BE_FENCE.match(self._text, self._at, self._at + MAX_LOOKAHEAD)
        assert could_be  # noqa: S101 (the pattern matches the empty string)
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
            self._track_list_indent(could_be[0])
            self._indented = bool(_INDENTED.match(could_be[0]))
            self._line_begins = False
            return True
        return self._begin_fence(opener)

    def _begin_fence(self, opener: re.Match[str]) -> bool:
        prefix, run, info = opener.groups()
        whole = opener.end() - self._at < MAX_LOOKAHEAD
        if self._strict and self._follows_text and not self._is_ambiguous:
            needs_blank_line = self._may_be_heading(_Fence(len(prefix), run), opener.end())
            if needs_blank_line is None:
                return False
            if needs_blank_line:
                self._add_blank_line()
            self._fence_in_text = not needs_blank_line
        self._line_begins = False
        indent = len(prefix)
        nested = any(list_indent <= indent <= list_indent + 3 for list_indent in self._list_indents)
        is_table = not self._strict and "|" in info  # markdown-it sees the head of a table
        if prefix.strip(" ") or not whole or not (indent <= 3 or nested) or is_table:
            self._is_ambiguous = True
        if not self._is_ambiguous:
            self._fence = _Fence(indent, run)
        self._show(len(prefix))
        self._show_fence(run)
        language = sanitize_language(info) if self._strict else info
        if not whole:
            if self._strict or info:
                self._shown.append(INVISIBLE)
            return True
        if self._is_ambiguous and language == info:
            return True  # the rest of the line is processed as prose
        self._shown.append(language)
        self._at += len(info)
        return True

    def _show_fence(self, run: str) -> None:
        if self._strict:
            self._shown.append(FENCE)
            self._fence_is_open = not self._fence_is_open
            self._is_fence_line = True
            self._at += len(run)
            self._only_prefix = self._blank = False
        else:
            self._show(len(run))

    def _add_blank_line(self) -> None:
        self._shown.append("\r" if self._tail.endswith("\r") else "\n")

    def _may_be_heading(self, fence: _Fence, at: int) -> bool | None:
        """Return True if Open WebUI may read text, a fence and an underline in the fence as one heading.

        Return ``None`` if the received text does not decide this. A blank line before the fence prevents it.
        """
        line = r"(?>\r\n|[\r\n])"
        indent = f" {{{fence.indent}}}" if fence.indent else " {0,3}"
        closer = rf"{indent}{fence.run}{fence.run[0]}* *(?=[\r\n]|\Z)"
        ends = re.compile(rf"{line}(?:{closer}|[ \t]*(?=[\r\n]))|({line}{_UNDERLINE.pattern})")
        end = ends.search(self._text, at, at + MAX_LOOKAHEAD)
        is_open = end is None or end.end() == len(self._text)
        if is_open and not self._final and len(self._text) < at + MAX_LOOKAHEAD:
            return None
        return end is None or end[1] is not None

    def _track_list_indent(self, prefix: str) -> None:
        """Track the indentation of list items; it decides which fences belong to an item."""
        indent = len(prefix) - len(prefix.lstrip(" "))
        if bullet := _BULLET.match(self._text, self._at, self._at + MAX_LOOKAHEAD):
            self._list_indents = [list_indent for list_indent in self._list_indents if list_indent <= indent]
            self._list_indents.append(bullet.end() - self._at)
        elif self._text[self._at + indent : self._at + indent + 1] not in ("", "\r", "\n"):
            self._list_indents = [list_indent for list_indent in self._list_indents if list_indent <= indent]

    def _begin_line_in_fence(self, fence: _Fence) -> bool:
        could_be = _COULD_BE_CLOSER.match(self._text, self._at, self._at + MAX_LOOKAHEAD)
        assert could_be  # noqa: S101 (the pattern matches the empty string)
        end = self._find_line_end() if self._math or self._label else could_be.end()
        if self._is_open(end):
            return False
        line = self._text[self._at : end]
        indent = len(line) - len(line.lstrip(" "))
        ends_there = self._text[end : end + 1] in ("", "\r", "\n")
        closes = fence.is_closed_by(line) if ends_there else False
        if closes or (closes is None and not self._strict):
            self._is_ambiguous = closes is None
            self._fence = None
            self._line_begins = False
            if self._strict:
                self._shown.append(" " * fence.indent)
                self._at += len(line)
                self._show_fence("")
                return True
            return self._show(len(line))
        leaves = indent < fence.indent and self._text[self._at + indent : self._at + indent + 1] not in (
            "",
            "\r",
            "\n",
        )
        if leaves or self._may_close_earlier_construct(line):
            self._is_ambiguous, self._fence = True, None
            return True
        self._label = self._label and not _BRACKET.search(line)
        self._line_begins = False
        return True

    def _read_fenced(self) -> bool:
        """Emit part of a line of fenced code. For Open WebUI, break up fences in the line."""
        run = re.compile("`+").match(self._text, self._at, self._at + MAX_LOOKAHEAD)
        if not self._strict or not run:
            end = self._find_line_end()
            tick = self._text.find("`", self._at, end) if self._strict else -1
            return self._show((end if tick < 0 else tick) - self._at)
        if self._is_open(run.end()):
            return False
        return self._show_run(len(run[0])) if len(run[0]) > 2 else self._show(len(run[0]))

    def _may_close_earlier_construct(self, line: str) -> bool:
        """Return True if a line of fenced code may close a formula or label that started before the fence.

        Open WebUI sees no fence inside such a formula or label.
        """
        if self._math and _MATH_END.search(line):
            return True
        return (self._math or self._label) and ("]:" in line or len(line) == MAX_LOOKAHEAD)

    # Prose

    def _read_prose(self) -> bool:
        if plain := _PLAIN.match(self._text, self._at):
            return self._show(len(plain[0]))
        character = self._text[self._at]
        if character in _DELIMITERS:
            self._block.delimiters.add(character)
        return self._readers.get(character, self._read_marker)()

    def _read_one(self) -> bool:
        return self._show(1)

    def _read_label_begin(self) -> bool:
        self._label = self._is_block_start()
        self._block.brackets += 1
        return self._show(1)

    def _read_dot(self) -> bool:
        following = self._peek()
        if following is None:
            return False
        is_host = markdown.WWW.search(self._tail) and following[:1].isalnum()
        return self._neutralize() if is_host else self._show(1)

    def _read_number_sign(self) -> bool:
        """Separate ``#`` from a preceding source number."""
        is_number = self._strict and markdown.NUMBERS.search(self._tail)
        return self._show(1, INVISIBLE if is_number else "")

    def _read_tilde(self) -> bool:
        run = re.compile("~+").match(self._text, self._at, self._at + MAX_LOOKAHEAD)
        assert run  # noqa: S101 (the next character is a tilde)
        if self._is_open(run.end()):
            return False
        is_fence = self._strict and len(run[0]) > 2  # Open WebUI sees a fence after a formula
        return self._show_run(len(run[0])) if is_fence else self._show(len(run[0]))

    def _read_dollar(self) -> bool:
        following = self._peek()
        if following is None:
            return False
        self._math |= following == "$" or self._tail.endswith("$")
        self._block.formula |= not following.isdigit()  # otherwise most likely an amount of money
        delimiter = "$$" if following == "$" else "$"
        if self._tail.endswith("$"):
            self._formula, self._is_formula_block = _UNCLEAR, True
        elif self._formula == "$" and following.isalnum():
            self._formula = _UNCLEAR
        elif self._formula or not (self._tail[-1:].isalnum() or self._tail[-1:] == "<"):
            self._track_formula(delimiter)
        else:
            self._formula, self._is_formula_block = _UNCLEAR, delimiter == "$$"
        return self._show(len(delimiter))

    def _track_formula(self, delimiter: str) -> None:
        """Track the start and end of a formula; after nested delimiters its bounds are unclear."""
        begin = {"\\)": "\\(", "\\]": "\\["}.get(delimiter, delimiter)
        if self._formula:
            self._formula = "" if self._formula == begin else _UNCLEAR
            return
        self._formula = begin if begin == delimiter else ""
        self._before_formula = self._block.delimiters - {"[", "$", "\\"}
        at_margin = not self._tail or self._tail[-1] in "\r\n"
        self._is_formula_block = at_margin and delimiter in ("$$", "\\[")

    def _read_backslash(self) -> bool:
        following = self._peek()
        if following is None:
            return False
        if following in ("(", "[", "b", "c", "p", "\\"):  # Open WebUI sees a formula
            self._block.delimiters.add("\\")
            self._block.formula = True
            self._math |= following in "[b\\"
        if following in ("(", "[", ")", "]"):
            self._track_formula("\\" + following)
        if following == "[":
            self._block.delimiters.add("[")
            self._block.brackets += 1
        if following == "<":
            self._escaped = True
            return self._show(1)
        if following == "`":
            self._block.ambiguous = True
            return self._show(1)
        if following in _PUNCTUATION:
            is_block = self._strict and following == ":" and self._is_block_start()
            return self._show(2, INVISIBLE if is_block else "")
        is_marker = following and re.match(f"[{MARKERS}]", following)
        return self._show(1, "\\" if is_marker else "")

    def _read_backticks(self) -> bool:
        run = re.compile("`+").match(self._text, self._at, self._at + MAX_LOOKAHEAD)
        assert run  # noqa: S101 (the next character is a backtick)
        if self._is_open(run.end()):
            return False
        end = None if self._is_ambiguous or self._block.ambiguous else self._find_code_end(run)
        if end is _NOT_YET:
            return False
        if isinstance(end, re.Match) and self._read_code(run.end(), end):
            return True
        self._block.ambiguous = True
        is_fence = self._strict and len(run[0]) > 2
        return self._show_run(len(run[0])) if is_fence else self._show(len(run[0]))

    def _find_code_end(self, run: re.Match[str]) -> re.Match[str] | bool | None:
        """Return the run of backticks that closes a code span on its line; ``_NOT_YET`` if undecided."""
        limit = run.end() + MAX_LOOKAHEAD
        for end in _RUN_OR_END.finditer(self._text, run.end(), limit):
            if end[0] in "\r\n":
                return None
            if len(end[0]) == len(run[0]) and self._text[end.end() : end.end() + 1] != "`":
                return end if self._final or end.end() < len(self._text) else _NOT_YET
        return None if self._final or len(self._text) > limit else _NOT_YET

    def _read_code(self, begin: int, end: re.Match[str]) -> bool:
        """Emit a code span if all renderers agree about it."""
        content = self._text[begin : end.start()]
        if not self._is_code_for_all(content) or (self._strict and FENCE in content):
            return False
        self._label = self._label and not _BRACKET.search(content)
        return self._show(end.end() - self._at)

    def _is_code_for_all(self, content: str) -> bool:
        """Return True if no earlier construct can end in a code span."""
        began = self._block.delimiters
        return not (
            self._tail.endswith("~")
            or began.intersection(content) - {"["}
            or _MATH_BEGIN.search(content)
            or "|" in content  # the sign ends a table cell
            or ("}" in content and "\\" in began)
            or ("](" in content and self._block.brackets)
            or ("]:" in content and self._label)
            or (self._strict and markdown.FOUND_BY_LETTERS.search(content))
        )

    def _read_angle(self) -> bool:
        following = self._peek(2)
        if following is None:
            return False
        if self._strict and markdown.MENTION.match("<" + following):
            return self._neutralize_angle()
        if following[:1] in ("!", "?"):
            is_tag = following[0] == "?" or following[1:].isalpha() or following[1:] in ("-", "[")
            return self._neutralize_angle() if is_tag else self._show_angle()
        if not (following[:1] == "/" or (following[:1].isascii() and following[:1].isalpha())):
            return self._show_angle()
        end = _TAG_END.search(self._text, self._at, self._at + MAX_LOOKAHEAD)
        if end is None and self._is_open(len(self._text)):
            return False
        if end and end[0] == ">":
            tag = self._text[self._at : end.end()]
            is_active = is_active_tag(tag, self._tail[-1:], strict=self._strict)
        else:
            rest = self._text[self._at : end.start() if end else self._at + MAX_LOOKAHEAD]
            is_active = is_unfinished_tag(rest)
        return self._neutralize_angle() if is_active else self._show_angle()

    def _is_block_start(self) -> bool:
        """Return True if a block may start here: at a line start or, for Open WebUI, after a formula."""
        return self._only_prefix or self._tail.rstrip(" ").endswith(("$$", "\\]", "}"))

    def _read_label_end(self) -> bool:
        is_number = self._strict and markdown.CITATION_LIKE.search(self._tail)
        in_formula = self._is_in_formula() if is_number else False
        label = self._label
        waits = None if in_formula is None else self._may_have_address()
        if waits is None:
            return False
        is_shown = not is_number or in_formula or self._may_be_code
        if is_shown and self._block.brackets and self._formula in ("", "$"):
            self._block.brackets -= 1
        self._label |= label and not is_shown  # an escaped bracket does not end the label
        if is_number and not in_formula:
            self._neutralize()
        else:
            self._show(1)
        return self._show_address() if waits else True

    def _show_address(self) -> bool:
        """Emit the character that would start an address as text, without starting a formula."""
        return self._show(1, INVISIBLE) if self._text[self._at] == "(" else self._neutralize()

    def _is_in_formula(self) -> bool | None:
        """Return True if the next character is inside a complete formula; ``None`` if undecided.

        Only source numbers depend on the result: active constructs are neutralised in formulas as well.
        """
        if self._formula in ("", _UNCLEAR) or self._block.ambiguous:
            return False
        limit = self._at + MAX_LOOKAHEAD
        end = _FORMULA_END[self._formula].search(self._text, self._at, limit)
        broken = _BLOCK_BEGIN if self._is_formula_block else _LINE_END
        if broken.search(self._text, self._at, end.start() if end else limit):
            return False
        if end is None or not (self._final or self._text[end.end() :].strip(" \t")):
            return None if self._is_open(len(self._text)) else False
        begin = self._tail.rfind(self._formula) + len(self._formula)
        formula = self._tail[begin:] + self._text[self._at : end.start()]
        return (
            self._before_formula.isdisjoint(formula)
            and not _BLOCK_BEGIN.search(formula)
            and formula.startswith(("\r", "\n")) == formula.endswith(("\r", "\n"))
        )

    def _read_marker(self) -> bool:
        self._label = self._is_block_start()
        self._block.delimiters.add("[")
        waits = self._may_have_address()
        if waits is None:
            return False
        self._show(1)
        return self._show_address() if waits else True

    def _may_have_address(self) -> bool | None:
        """Return True if an address may follow the label that ends here; ``None`` if undecided."""
        following = self._peek()
        if following is None:
            return None
        is_definition = following == ":" and self._label
        if not (is_definition or (following == "(" and "[" in self._block.delimiters)):
            if following != ":" or not self._label:
                self._label = False
            return False
        could_be = _COULD_BE_TARGET.match(self._text, self._at + 1, self._at + MAX_LOOKAHEAD)
        assert could_be  # noqa: S101 (the next character is ``(`` or ``:``)
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
            return self._neutralize()
        is_address = following[:2] == "//" and following[2:].strip("<> \t\r\n")
        return self._neutralize() if is_address and markdown.SCHEME.search(self._tail) else self._show(1)

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
        return self._neutralize() if is_host else self._show(1)

    def _read_mail(self) -> bool:
        if not self._strict or not markdown.LOCAL_PART.search(self._tail):
            return self._show(1)
        could_be = _COULD_BE_DOMAIN.match(self._text, self._at, self._at + MAX_LOOKAHEAD)
        assert could_be  # noqa: S101 (the next character is an @)
        if self._is_open(could_be.end()):
            return False
        is_mail = markdown.DOMAIN.match(self._text, self._at, self._at + MAX_LOOKAHEAD)
        return self._neutralize() if is_mail else self._show(1)

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
        return self._neutralize()


def sanitize(text: str, answer_format: AnswerFormat = AnswerFormat.TEXT) -> str:
    """Return a sanitized copy of a whole text."""
    sanitizer = AnswerSanitizer(answer_format)
    return sanitizer.feed(text) + sanitizer.finish()
