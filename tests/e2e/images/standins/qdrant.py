"""Entry point of the Qdrant stand-in in a cluster. It ignores arguments and is always a single peer."""

import os
from pathlib import Path

from tenantry_local.standins.qdrant.app import make_app
from tenantry_local.standins.qdrant.engine import Engine
from tenantry_local.standins.serving import serve

engine = Engine(Path("/qdrant/storage"))
try:
    app = make_app(engine, os.environ.get("QDRANT__SERVICE__API_KEY", ""))
    serve(app, service="qdrant", host="0.0.0.0", port=6333)
finally:
    engine.close()
