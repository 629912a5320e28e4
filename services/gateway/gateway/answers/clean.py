"""What of a model's words may be shown, decided while they come in.

A passage can talk a model into writing a link or an image whose address carries what was read to somebody
else, and a chat that renders Markdown would fetch it. So an answer holds no link, no image and no tag that a
renderer would act on: labels stay as text and addresses as code. Markers that cite no passage of this very
answer go, so that nobody takes an invention for a source.

Text comes in pieces, and whatever could still become one of these things is held back until it is clear. The
pieces together are what the whole text would have been.
"""

import re

__all__ = ["Cleaner", "clean"]

HELD_CHARACTERS = 2_000
"""Longest piece that is held back; a link that is longer is broken up instead of taken off."""

# Brackets inside a label, and parentheses inside an address, are read one level deep.
_LABEL = r"(?:[^\[\]]|\[[^\[\]]*\])*"
_ADDRESS = r"(?:[^()]|\([^()]*\))*"
_NUMBERS = r"\d{1,2}(?:\s*,\s*\d{1,2})*"
# No brackets: after a stray backtick, what we show as code would not be, and a link in it would be one.
_AFTER_SCHEME = r"[^\s<>`\[\]]*"

_TOKEN = re.compile(
    rf"""(?P<gap>\s*)!?\[(?P<label>{_LABEL})\]\({_ADDRESS}\)  # a link or an image
      | (?P<space>\s*)\[(?P<name>{_LABEL})\]:                     # where the address of a named link is given
      | \s*\[(?P<numbers>{_NUMBERS})\]
      | (?P<url>(?:(?:https?|ftp)://|www\.){_AFTER_SCHEME})
      | (?P<tag><(?=[a-z/!?]))
      | (?P<joint>\]\()                             # of a link too deep or too long to be taken off
      | [^\s\[\]!<hfw]+ | .""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_UNCLEAR = re.compile(
    rf"""\s*(?:
        !?\[{_LABEL}(?:\[[^\[\]]*)?
      | !?\[{_LABEL}\](?:\({_ADDRESS}(?:\([^()]*)?)?
      | [!<\]]?
    )
      | (?:https?|ftp)://{_AFTER_SCHEME} | www\.{_AFTER_SCHEME}
      | h|ht|htt|https?|https?:|https?:/ | f|ft|ftp|ftp:|ftp:/ | w|ww|www""",
    re.IGNORECASE | re.VERBOSE,
)
_HARMLESS = {"tag": "< ", "joint": "] ("}
"""What stands for what a renderer would act on: a space makes text of it."""

_TAKEN_OFF = ("label", "name", "numbers")
"""Tokens of which something goes, so that what stands before, in and after them could grow together."""

_OPENING = "(\"'\u201c\u2018\u00ab*_"
"""What may stand before one without a space."""

_CLOSING = ".,;:!?)]}*_\"'\u201d\u2019\u00bb"
"""What may follow such a token without a space."""

_URL_END = re.compile(r"[.,;:!?()\[\]'\"*_|]*$")


class Cleaner:
    """Cleans one answer.

    Parameters
    ----------
    passages
        How many passages the model was given; they are numbered from 1.
    """

    def __init__(self, passages: int) -> None:
        self._passages = passages
        self._held = ""
        self._last = ""
        self._gapped = False

    def feed(self, text: str) -> str:
        """Return what may be shown after a further piece, possibly nothing yet."""
        return self._clean(self._held + text, final=False)

    def finish(self) -> str:
        """Return what was held back, when there is no further piece."""
        return self._clean(self._held.rstrip(), final=True)

    def _clean(self, text: str, *, final: bool) -> str:
        shown: list[str] = []
        at = 0
        while at < len(text):
            near = at + HELD_CHARACTERS
            if not final and len(text) <= near and _UNCLEAR.fullmatch(text, at):
                break
            token = _TOKEN.match(text, at, near)
            assert token  # noqa: S101 (its last alternative matches anything)
            piece = self._shown(token)
            if not self._last:
                piece = piece.lstrip()
            taken_off = token.lastgroup in _TAKEN_OFF
            self._gapped |= taken_off
            piece = self._apart(piece)
            self._gapped |= taken_off
            self._last = (self._last + piece)[-1:]
            shown.append(piece)
            at = token.end()
        self._held = text[at:]
        return "".join(shown)

    def _apart(self, piece: str) -> str:
        """Return the piece, with a space where it would grow together with what stood before a gap.

        ``<[9]img`` would be a tag without its marker, and ``ht[tps](x)://`` an address without its link.
        """
        if not self._gapped or not piece:
            return piece
        tail = piece if self._last == "<" else piece.lstrip(_CLOSING)
        if not tail:
            return piece
        self._gapped = False
        head = piece.removesuffix(tail)
        before = (self._last + head)[-1:]
        apart = not before or before in _OPENING or before.isspace() or tail[0].isspace()
        return piece if apart else f"{head} {tail}"

    def _shown(self, token: re.Match[str]) -> str:
        match token.lastgroup:
            case "label":
                markers = self._labelled(token["label"])
                return token["gap"] + clean(token["label"], self._passages) if markers is None else markers
            case "name":
                markers = self._labelled(token["name"])
                if markers is None:
                    return f"{token['space']}[{clean(token['name'], self._passages)}] :"
                return f"{markers} :"
            case "numbers":
                return self._markers(token["numbers"])
            case "url":
                return self._as_code(token["url"])
            case kind:
                return _HARMLESS.get(kind or "", token[0])

    def _labelled(self, label: str) -> str | None:
        """Return the sound markers of a label; ``None`` when it is no marker."""
        return self._markers(label) if re.fullmatch(_NUMBERS, label) else None

    def _markers(self, numbers: str) -> str:
        known = [n for n in map(int, numbers.split(",")) if 1 <= n <= self._passages]
        return "".join(f" [{number}]" for number in known)

    def _as_code(self, url: str) -> str:
        end = _URL_END.search(url)
        cut = end.start() if end else len(url)
        return url if self._last == "`" else f"`{url[:cut]}`{url[cut:]}"


def clean(text: str, passages: int) -> str:
    """Return what may be shown of a whole answer."""
    cleaner = Cleaner(passages)
    return cleaner.feed(text) + cleaner.finish()
