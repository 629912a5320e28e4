"""Random hostile and harmless answers for tests of the sanitizer."""

import random

__all__ = ["make_harmless_text", "make_hostile_text"]

ACTIVE = (
    "![i](http://e.x/i.png)", "[a](http://e.x)", "[a](//e.x 't')", "![", "](", "](http://e.x/q)", "]:",
    "[a]: //e.x", "[a]", "[a][a]", "<img src=http://e.x>", "<a href=//e.x>", "<b>", "</b>", "<b", "<", ">",
    "</", "<!--", "-->", "<?", "<![CDATA[", "<u>", "</u>", "<u>q</u>", "<http://e.x>", "<m@e.x>",
    "http://e.x/a", "https://e.x", "ftp://e.x", "www.e.x", "//e.x", "m@e.x", "mailto:a@e.x",
    "[x](javascript:1)", '<iframe src="x"></iframe>', "<video src=x>", '<file type="html" id="1"/>',
    "<details>\n", "</details>", "<details", "<@U:1|x>", "<#c>", "<$s>",
    '<details type="reasoning">\n<summary>x</summary>\n', "{{user}}", "{{CHAR}}", "{{HTML_FILE_ID_ab}}",
    ":::a\n", "\n:::\n", ":::", "<html>", "</html>", "<script>", "</script>", "<style>", "</style>",
    "data:text/html,x", "[1]", "[1, 2]", "[1#x]", "[1#", "[^1]", "[^1]: x", "[", "]", "(", ")",
    "[x]: //e.x\n",
)  # fmt: skip
DELIMITERS = (
    "`", "``", "```", "````", "~", "~~", "~~~", "~~~~", "*", "**", "***", "_", "__", "$", "$$", "\\(",
    "\\)", "\\[", "\\]", "\\begin{equation}", "\\end{equation}", "\\ce{", "\\pu{", "{", "}", "\\", "\\\\",
    "\\`", "\\<", "|", '"', "'", "#", "!", ":", "/", "@", ".", "=", "+", "-", "&lt;", "&#60;", "&colon;",
)  # fmt: skip
LINES = (
    "\n", "\n", "\n", "\n\n", "\n\n", "\r\n", "\r", " ", "  ", "    ", "\t", " \n", "> ", ">", "- ", "* ",
    "1. ", "10. ", "   ", "  - ", "# ", "---\n", "\n---\n", "===\n", "\n===", "| a | b |\n|---|---|\n",
    "\n|---|---|\n", "|-", "\n```\n", "\n```html\n", "```js\n", "~~~svg\n", "\n~~~\n", "   ```\n",
    "    ```\n", "  ```\n", "- ```html\n", "> ```html\n", "$$\n", "\n$$\n", "\\[\n", "\n\\]\n",
    "\n````markdown\n", "\n````\n", "> [!NOTE]\n> ", "\n```html\n<script>1</script>\n```\n",
)  # fmt: skip
WORDS = (
    "a", "x", "1", "word", "html", "svg", "js", "css", "mermaid", "python", "text", "\xe9", "\u4e2d",
    "\uff08", "\uff09", "\u201c", "\u201d", "**\u4e2d\uff08a\uff09**", "\u3002", "\u200b", "\u202e", "\xa0",
    "\u2028", "\ufeff", "\x0b", "\x0c", "\x85", "\x00", "javascript:x", "&amp;",
)  # fmt: skip
ATOMS = (ACTIVE, DELIMITERS, DELIMITERS, LINES, LINES, WORDS)
EMPHASIS = ("*", "**", "_", "__", "~", "~~", "$", "$$", "\\(", "")
CLOSING = {"\\(": "\\)", "\\[": "\\]", "\\begin{equation}": "\\end{equation}", "\\ce{": "}"}
CONTAINERS = ("", "- ", "> ", "1. ", "# ", "| ", "    ", "> - ", "- a\n\n  ")


def make_hostile_text(chance: random.Random) -> str:
    """Return a text with crossing delimiters and active constructs inside or next to code."""
    parts = (_make_atoms, _make_atoms, _make_atoms, _make_crossing, _make_crossing, _make_fences)
    return "".join(chance.choice(parts)(chance) for _ in range(chance.choice((1, 1, 1, 2, 3))))


def _make_atoms(chance: random.Random) -> str:
    length = chance.choice((3, 5, 8, 12, 20, 30))
    return "".join(chance.choice(chance.choice(ATOMS)) for _ in range(length))


def _make_crossing(chance: random.Random) -> str:
    """Return delimiters in any order around and inside code with an active construct."""
    opened = [
        chance.choice((*EMPHASIS, "`", "``", "```", "[", "![", "<", "\\["))
        for _ in range(chance.randint(1, 4))
    ]
    closing = [CLOSING.get(delimiter, delimiter) for delimiter in opened]
    chance.shuffle(closing)
    middle = [
        chance.choice(ACTIVE),
        *(chance.choice(chance.choice(ATOMS)) for _ in range(chance.randint(0, 3))),
    ]
    chance.shuffle(middle)
    pieces = opened + middle + closing
    if chance.random() < 0.5:
        for _ in range(chance.randint(1, 3)):
            pieces.insert(
                chance.randrange(len(pieces) + 1), chance.choice(("`", "``", " ", "\\", "\n", "*", "$", "x"))
            )
    return chance.choice(CONTAINERS) + "".join(pieces) + chance.choice(("", " ", "\n", "\n\n"))


def _make_fences(chance: random.Random) -> str:
    """Return open or closed fences within lists, quotes and fences, with active constructs in and after."""
    container = chance.choice(CONTAINERS)
    indent = chance.choice(("", " " * len(container), "> ", " ", "   "))
    lines = []
    for _ in range(chance.randint(1, 4)):
        run = chance.choice(("```", "```", "````", "``````", "~~~", "~~~~"))
        lines.append(
            run + chance.choice(("", "", "html", "text", "js", "markdown", " svg", "html `", "\\html"))
        )
        if chance.random() < 0.7:
            lines.append(chance.choice(ACTIVE) + chance.choice(WORDS))
        if chance.random() < 0.3:
            lines.append(
                chance.choice(("$$", "\\]", "---", "", "</script>", "- a", "]: x", "`", "|-|-|", "\\["))
            )
    lines += [chance.choice(("```", "~~~", "````", "", " ```", "    ```")), chance.choice(ACTIVE)]
    return (
        chance.choice(("", "\n\n", "\n", "x\n"))
        + container
        + ("\n" + indent).join(lines)
        + chance.choice(("", "\n\n"))
    )


QUIET_WORDS = (
    "The budget for 2026 is $5,000,000.", "See *Annex 3* and **section 2**.", "5 < 6 and x<5>",
    "f(x) = f[i](a b)", "`code`", "`std::vector<int>`", "`<img src=x>`", "`https://intranet.example/a`",
    "`[text](address)`", "`a[1]`", "1/2, and/or", "snake_case_name", "2*3", '"quoted" (so)', "[note]",
    "ratio 3:4", "\u4e2d\u6587\u3002", "\xe9", "C#", "~5", "a | b", "the `List<String>` of **`names`**",
    "plan.pdf", "api.example.com:8080", "~~old~~", "{{ value }}", "AT&T &amp; co",
    "in `/etc/hosts` or `C:`", "[year]: a year", "www is a name", "@anna #42", "``a ` b``",
)  # fmt: skip
FORMULAS = (
    "$x[1]$", "$a_{1} < b$", "$x \\in [0, 1]$", "\\(a[1]\\)", "\\( x^2 \\)",
    "\\[ e[1] = \\sum_{i=1}^n x_i \\]", "\\[ [0, 1] \\]",
)  # fmt: skip
QUIET_BLOCKS = (
    '```json\n{"ports": [7], "url": "https://a.example", "mail": "a@b.example"}\n```',
    "```java\nMap<String, List<int>> m = new HashMap<>();\nint x = limits[2]; // `m`\n```",
    "```text\n<html><script>alert(1)</script></html>\n```", "```\n*a* $5 ~~x~~ \\(y\\) [1]\n```",
    "```bash\ncurl https://a.example/x?y=[1] | jq '.[0]' 2>&1 <<EOF\n\nEOF\n```",
    "1. Do this:\n   ```bash\n   echo <a> https://a.example\n   ```\n2. Done.", "# Title", "---",
    "> quoted\n> words", "| a | b |\n|---|---|\n| *1* | `<b>` |", "- one\n- [x] two\n  - three `a<b>`",
    "$$\n\\int_0^1 f(x[1])\\,dx\n$$", "$$b[2] + [0, 1]$$", "\\[\na[1] = \\{x \\mid x > 0\\}\n\\]",
    "Text\n```\nx <b>\n```\nand on",
)  # fmt: skip


def make_harmless_text(chance: random.Random) -> str:
    """Return a text without active constructs for any renderer, so the sanitizer must not change it."""
    return "\n\n".join(_make_harmless_part(chance) for _ in range(chance.randint(1, 6))) + chance.choice(
        ("", "\n")
    )


def _make_harmless_part(chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.3:
        return chance.choice(QUIET_BLOCKS)
    if kind < 0.45:
        before = chance.choice(("The energy is ", "With ", ""))
        return before + chance.choice(FORMULAS) + chance.choice((".", " and so on.", ", see *there*"))
    return chance.choice(("", "", "- ", "> ", "## ", "1. ")) + " ".join(
        chance.choice(QUIET_WORDS) for _ in range(chance.randint(1, 6))
    )
