"""Entry point of the Bedrock stand-in in a cluster."""

from tenantry_local.standins.bedrock.app import make_app
from tenantry_local.standins.bedrock.embeddings import load_model
from tenantry_local.standins.bedrock.settings import BedrockSettings
from tenantry_local.standins.serving import serve

load_model()
serve(make_app(BedrockSettings()), service="bedrock", host="0.0.0.0", port=4566)
