"""Programs that a test runs beside the ones under test."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["stranger", "web_server"]


@contextmanager
def stranger(*argv: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program that is none of ours, in a session of its own, until the block ends in any way."""
    with subprocess.Popen(argv, start_new_session=True, stdout=subprocess.PIPE, text=True) as program:
        try:
            yield program
        finally:
            program.kill()


@contextmanager
def web_server(port: int = 0) -> Iterator[tuple[int, int]]:
    """Run a web server on 127.0.0.1 that is none of ours; give its pid and port once it listens."""
    with stranger(sys.executable, "-u", "-m", "http.server", str(port), "--bind", "127.0.0.1") as program:
        assert program.stdout is not None
        told = program.stdout.readline()  # Serving HTTP on 127.0.0.1 port 8000 (...)
        yield program.pid, int(told.split(" port ")[1].split()[0])
