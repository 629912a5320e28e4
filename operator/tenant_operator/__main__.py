"""Command line of the operator: ``python -m tenant_operator`` runs it, or verifies a receipt of erasure."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from prometheus_client import start_http_server
from servicekit.settings import read_settings
from tenancy.receipts import ReceiptInvalid, verify_file

from .handlers import run
from .settings import OperatorSettings


def main(arguments: Sequence[str] = ()) -> None:
    """Run the operator; with ``verify-erasure``, verify a receipt and print the result in one sentence.

    Raises
    ------
    SystemExit
        1 when a receipt is invalid; 2 when a setting or an argument is wrong.
    """
    parser = argparse.ArgumentParser(prog="python -m tenant_operator")
    commands = parser.add_subparsers(dest="command")
    check = commands.add_parser("verify-erasure", help="verify a receipt of erasure")
    check.add_argument("file", type=Path, help="the receipt, as it is in the bucket")
    check.add_argument("--public-key", type=Path, required=True, help="PEM file of the public key")
    given = parser.parse_args(arguments)
    if given.command is None:
        _run(read_settings(OperatorSettings))
        return
    try:
        sys.stdout.write(f"{verify_file(given.file, given.public_key)}\n")
    except ReceiptInvalid as exc:
        sys.stderr.write(f"{exc}\n")
        raise SystemExit(1) from exc


def _run(settings: OperatorSettings) -> None:
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.probes_host)
    run(settings)


if __name__ == "__main__":
    main(sys.argv[1:])
