"""Command line of the Qdrant stand-in: ``python -m tenantry_local.standins.qdrant --path FOLDER``."""

import argparse
import os
import sys
from pathlib import Path

from ..serving import add_address, serve
from .app import VERSION, make_app
from .engine import Engine

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m tenantry_local.standins.qdrant",
        description="Qdrant's REST API over the local engine of qdrant-client",
    )
    add_address(parser)
    parser.add_argument("--path", type=Path, required=True, help="data folder, for one process at a time")
    parser.add_argument(
        "--api-key-env",
        default="QDRANT_API_KEY",
        help="environment variable that holds the API key; without a key every caller has all rights",
    )
    parser.add_argument(
        "--server-version",
        default=VERSION,
        help="version to report; one before 1.19 ignores params.idf, as Qdrant does",
    )
    parser.add_argument(
        "--peer-version", action="append", default=[], help="version of a further peer; can be repeated"
    )
    arguments = parser.parse_args()
    try:
        engine = Engine(arguments.path)
    except RuntimeError as exc:  # another process has the folder
        sys.exit(str(exc))
    try:
        app = make_app(
            engine,
            os.environ.get(arguments.api_key_env, ""),
            server_version=arguments.server_version,
            peer_versions=arguments.peer_version,
        )
        serve(app, service="qdrant", host=arguments.host, port=arguments.port)
    finally:
        engine.close()
