"""Qdrant's REST API, as far as qdrant-client calls it for us, over qdrant-client's own local engine.

One process owns the folder. What the local engine does not keep (payload indexes, HNSW settings) is kept
beside it, so that who looks for them finds what was asked for.
"""
