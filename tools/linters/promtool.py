"""promtool, which checks and tests Prometheus rules.

It is built without service discoveries, which saves most of the build time.
"""

from .go_module import GoProgram

__all__ = ["install"]

install = GoProgram(
    "promtool",
    "github.com/prometheus/prometheus@v0.316.0",
    "h1:f1GRFerhTMKQma+awCoC9T820ecWeGSdF+xAlMHzZzM=",
    ("-tags", "remove_all_sd"),
).install
