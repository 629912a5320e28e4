"""actionlint, a linter of GitHub workflows."""

from .go_module import GoProgram

__all__ = ["install"]

install = GoProgram(
    "actionlint",
    "github.com/rhysd/actionlint@v1.7.12",
    "h1:vQ4GeJN86C0QH+gTUQcs8McmK62OLT3kmakPMtEWYnY=",
).install
