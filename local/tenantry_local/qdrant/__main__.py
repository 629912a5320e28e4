"""``python -m tenantry_local.qdrant --port N --path FOLDER``: serve on 127.0.0.1; key in QDRANT_API_KEY."""

import argparse
import os
from pathlib import Path

import uvicorn

from .app import make_app
from .engine import Engine

parser = argparse.ArgumentParser(description="Qdrant's REST API over its local engine")
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--path", type=Path, required=True)
arguments = parser.parse_args()
engine = Engine(arguments.path)
try:
    app = make_app(engine, os.environ.get("QDRANT_API_KEY", ""))
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning")
finally:
    engine.close()
