"""Installation of the programs that only tests run: ``python -m tools.linters``.

Those in the cache are skipped.
"""

from rich.console import Console
from tenantry_local.display import Progress

from . import actionlint, checkov, eksctl, kube_score, moto, promtool


def main() -> None:
    """Build or install each program that the cache lacks."""
    with Progress(Console()) as progress:
        promtool.install(lambda text: progress.report("promtool", text))
        actionlint.install(lambda text: progress.report("actionlint", text))
        checkov.install(lambda text: progress.report("checkov", text))
        moto.install(lambda text: progress.report("moto", text))
        kube_score.install(lambda text: progress.report("kube-score", text))
        progress.report("eksctl", "downloading the schema")
        eksctl.load_schema()


if __name__ == "__main__":
    main()
