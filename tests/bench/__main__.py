"""Command line of the benchmarks, which run on separate platforms: ``python -m tests.bench``.

``python -m tests.bench chat uploads`` measures only these subjects and writes a separate file.
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

from . import chat, comparison, erasure, gateway, operator, overhead, retrieval, streams, uploads
from .report import Figure, show, write

OUTPUT = Path("build/bench.json")

Measure = Callable[[Platform], Awaitable[list[Figure]]]

CORE: dict[str, Measure] = {
    "gateway": gateway.measure,
    "retrieval": retrieval.measure,
    "operator": operator.measure,
    "overhead": overhead.measure,  # last, because it stops the operator
}
"""Subjects that need only Tenantry's services and their backends."""

WITH_ALL_PARTS: dict[str, Measure] = {
    "chat": chat.measure,
    "streams": streams.measure,
    "uploads": uploads.measure,
    "comparison": comparison.measure,
    "engine": chat.measure_engine,
    "erasure": erasure.measure,
}
"""Subjects that also need Open WebUI, n8n and file-sync. They run on a separate platform."""


async def _measure(
    platform: Platform, subjects: dict[str, Measure], wanted: Sequence[str], console: Console
) -> list[Figure]:
    figures: list[Figure] = []
    for name in [name for name in subjects if name in wanted]:
        load = os.getloadavg()[0]
        console.print(f"Measuring: {name} (1-minute load average {load:.1f} on {os.cpu_count()} cores)")
        figures += await subjects[name](platform)
    return figures


def _measure_on_platform(
    subjects: dict[str, Measure], wanted: Sequence[str], console: Console
) -> list[Figure]:
    """Start a platform, measure the subjects that are in ``wanted``, and stop the platform."""
    if not subjects.keys() & set(wanted):
        return []
    with tempfile.TemporaryDirectory(prefix="tenantry-bench-") as folder:
        platform = Platform.open_ephemeral(Path(folder), all_parts=subjects is WITH_ALL_PARTS)
        try:
            console.print("Starting a platform")
            platform.start_parts()
            samples.apply(platform.context)
            return asyncio.run(_measure(platform, subjects, wanted, console))
        finally:
            platform.stop_all()


def main() -> None:
    """Run the benchmarks, print tables of figures and write a JSON file."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument(
        "subjects", nargs="*", metavar="subject", help=f"{', '.join([*CORE, *WITH_ALL_PARTS])}; all"
    )
    given: list[str] = parser.parse_args().subjects
    if unknown := set(given) - CORE.keys() - WITH_ALL_PARTS.keys():
        parser.error(
            f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join([*CORE, *WITH_ALL_PARTS])}"
        )
    wanted = given or [*CORE, *WITH_ALL_PARTS]
    console = Console()
    figures = [
        figure
        for subjects in (CORE, WITH_ALL_PARTS)
        for figure in _measure_on_platform(subjects, wanted, console)
    ]
    show(figures)
    output = OUTPUT.with_name(f"bench-{'-'.join(given)}.json") if given else OUTPUT
    write(figures, output)
    console.print(f"Written to {output}")


main()
