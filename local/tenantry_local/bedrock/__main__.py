"""``python -m tenantry_local.bedrock --port N``: serve the stand-in on 127.0.0.1."""

import argparse

import uvicorn

from .app import make_app

parser = argparse.ArgumentParser(description="Bedrock stand-in")
parser.add_argument("--port", type=int, required=True)
arguments = parser.parse_args()
uvicorn.run(make_app(), host="127.0.0.1", port=arguments.port, log_level="warning")
