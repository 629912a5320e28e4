"""``make bench``: platforms of their own, measured, and taken down again.

``python -m tests.bench chat uploads`` measures only those subjects, and leaves the file of a whole run alone.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from rich.console import Console
from tenantry_local import samples
from tenantry_local.platform import Platform

from . import beside, chat, erasure, gateway, operator, retrieval, share, streams, uploads
from .report import Figure, show, write

OUTPUT = Path("build/bench.json")

Measure = Callable[[Platform], Awaitable[list[Figure]]]

CORE: dict[str, Measure] = {
    "gateway": gateway.measure,
    "retrieval": retrieval.measure,
    "operator": operator.measure,
    "share": share.measure,  # the last: it stops the operator
}
"""What is measured on our services and their backends alone."""

WHOLE: dict[str, Measure] = {
    "chat": chat.measure,
    "streams": streams.measure,
    "uploads": uploads.measure,
    "beside": beside.measure,
    "engine": chat.measure_engine,
    "erasure": erasure.measure,
}
"""What needs Open WebUI, n8n and file-sync, too. They run beside nothing of ``CORE``."""


async def _measure(
    platform: Platform, subjects: dict[str, Measure], wanted: Sequence[str], console: Console
) -> list[Figure]:
    figures: list[Figure] = []
    for name in [name for name in subjects if name in wanted]:
        load = os.getloadavg()[0]
        console.print(f"Measuring: {name} (load of the last minute {load:.1f} on {os.cpu_count()} cores)")
        figures += await subjects[name](platform)
    return figures


def _on_a_platform(subjects: dict[str, Measure], wanted: Sequence[str], console: Console) -> list[Figure]:
    """Bring a platform up, measure what is wanted of these subjects, and take it down."""
    if not subjects.keys() & set(wanted):
        return []
    with tempfile.TemporaryDirectory(prefix="tenantry-bench-") as folder:
        platform = Platform.ephemeral(Path(folder), whole=subjects is WHOLE)
        try:
            console.print("Bringing up a platform")
            platform.up()
            samples.apply(platform.context)
            return asyncio.run(_measure(platform, subjects, wanted, console))
        finally:
            platform.down()


def main() -> None:
    """Measure, print tables and write a file."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("subjects", nargs="*", metavar="subject", help=f"{', '.join([*CORE, *WHOLE])}; all")
    given: list[str] = parser.parse_args().subjects
    if unknown := set(given) - CORE.keys() - WHOLE.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join([*CORE, *WHOLE])}")
    wanted = given or [*CORE, *WHOLE]
    console = Console()
    figures = [figure for subjects in (CORE, WHOLE) for figure in _on_a_platform(subjects, wanted, console)]
    show(figures)
    output = OUTPUT.with_name(f"bench-{'-'.join(given)}.json") if given else OUTPUT
    write(figures, output)
    console.print(f"Written to {output}")


main()
