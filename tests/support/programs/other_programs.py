"""Unrelated programs that tests run next to the programs under test."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["run_unrelated_program", "run_web_server"]


@contextmanager
def run_unrelated_program(*argv: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program in a separate session; kill it at the end of the block."""
    with subprocess.Popen(argv, start_new_session=True, stdout=subprocess.PIPE, text=True) as program:
        try:
            # The kernel reports a new program's arguments a moment after the program has started.
            while program.poll() is None and not Path("/proc", str(program.pid), "cmdline").read_bytes():
                time.sleep(0.001)
            yield program
        finally:
            program.kill()


@contextmanager
def run_web_server(port: int = 0) -> Iterator[tuple[int, int]]:
    """Run a web server on 127.0.0.1; yield its pid and port once it listens."""
    with run_unrelated_program(
        sys.executable, "-u", "-m", "http.server", str(port), "--bind", "127.0.0.1"
    ) as program:
        assert program.stdout is not None
        line = program.stdout.readline()  # Serving HTTP on 127.0.0.1 port 8000 (...)
        yield program.pid, int(line.split(" port ")[1].split()[0])
