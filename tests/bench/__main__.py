"""``make bench``: a platform of its own, measured, and taken down again."""

import asyncio
import tempfile
from pathlib import Path

from rich.console import Console
from tenantry_local import samples
from tenantry_local.platform import Platform

from . import gateway, operator, retrieval, share
from .report import Figure, show, write

OUTPUT = Path("build/bench.json")


async def _measure(platform: Platform, console: Console) -> list[Figure]:
    console.print("Measuring the gateway")
    figures = await gateway.measure(platform)
    console.print("Measuring retrieval")
    figures += await retrieval.measure(platform)
    console.print("Measuring the operator")
    figures = [*await operator.measure(platform), *figures]
    console.print("Measuring the gateway's own share, under load and among many Tenants")
    return [*figures, *await share.measure(platform)]  # the last: it stops the operator


def main() -> None:
    """Measure everything, print a table and write the file."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="tenantry-bench-") as folder:
        platform = Platform.ephemeral(Path(folder))
        try:
            console.print("Bringing up a platform")
            platform.up()
            samples.apply(platform.context)
            figures = asyncio.run(_measure(platform, console))
        finally:
            platform.down()
    show(figures)
    write(figures, OUTPUT)
    console.print(f"Written to {OUTPUT}")


main()
