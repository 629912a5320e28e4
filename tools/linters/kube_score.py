"""kube-score, a linter of Kubernetes objects."""

from .go_module import GoProgram

__all__ = ["install"]

install = GoProgram(
    "kube-score",
    "github.com/zegl/kube-score@v1.20.0",
    "h1:J1VqK86SunV4Gg8emPTmwUVxe0rmXnAs5K9ZUbGMKR8=",
).install
