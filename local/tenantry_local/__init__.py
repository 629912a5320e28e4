"""The local platform: real programs on one Linux machine, and stand-ins for Bedrock and Qdrant."""
