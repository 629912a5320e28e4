"""Command line of the Bedrock stand-in: ``python -m tenantry_local.standins.bedrock --port N``."""

import argparse

from ..serving import add_address, serve
from .app import make_app
from .embeddings import load_model
from .settings import BedrockSettings

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m tenantry_local.standins.bedrock", description="Bedrock stand-in"
    )
    add_address(parser)
    arguments = parser.parse_args()
    load_model()
    serve(make_app(BedrockSettings()), service="bedrock", host=arguments.host, port=arguments.port)
