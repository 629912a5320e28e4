"""promtool, which checks and plays Prometheus' rules.

Of the systems whose targets Prometheus can discover few are built in, which saves much of the time.
"""

from .go_module import GoProgram

__all__ = ["install"]

install = GoProgram(
    "promtool",
    "github.com/prometheus/prometheus@v0.316.0",
    "h1:f1GRFerhTMKQma+awCoC9T820ecWeGSdF+xAlMHzZzM=",
    ("-tags", "remove_all_sd"),
).install
