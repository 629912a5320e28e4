"""Command line of the Qdrant stand-in: ``python -m tenantry_local.standins.qdrant --path FOLDER``."""

import argparse
import os
import sys
from pathlib import Path

from ..serving import add_address, serve
from .app import make_app
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
    arguments = parser.parse_args()
    try:
        engine = Engine(arguments.path)
    except RuntimeError as exc:  # another process has the folder
        sys.exit(str(exc))
    try:
        app = make_app(engine, os.environ.get(arguments.api_key_env, ""))
        serve(app, service="qdrant", host=arguments.host, port=arguments.port)
    finally:
        engine.close()
