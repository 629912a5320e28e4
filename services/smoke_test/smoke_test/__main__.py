"""``python -m smoke_test``: check an installed release, and print a line for each check."""

import sys
import time

import httpx
from servicekit.settings import read_settings
from servicekit.tls import create_ssl_context

from .checks import Check, CheckFailed, list_checks
from .settings import SmokeTestSettings

__all__ = ["main"]

POLL_INTERVAL_SECONDS = 2.0


def main() -> None:
    """Run all checks; exit with 1 if one failed."""
    settings = read_settings(SmokeTestSettings)
    verify = create_ssl_context(settings.qdrant_ca_file)
    with httpx.Client() as http, httpx.Client(verify=verify) as qdrant:
        checks = list_checks(settings, http, qdrant)
        failed = [name for name, check in checks.items() if not _run(name, check, settings.timeout_seconds)]
    if failed:
        sys.stdout.write(f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}\n")
        raise SystemExit(1)
    sys.stdout.write(f"All {len(checks)} checks passed\n")


def _run(name: str, check: Check, seconds: float) -> bool:
    """Repeat a check until it passes or its time is over; print and return the result."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = check()
        except CheckFailed as exc:
            if time.monotonic() + POLL_INTERVAL_SECONDS > deadline:
                _print("FAILED", name, str(exc))
                return False
            time.sleep(POLL_INTERVAL_SECONDS)
        else:
            _print("ok", name, found)
            return True


def _print(result: str, name: str, text: str) -> None:
    sys.stdout.write(f"{result:8}{name:12}{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
