"""Stand-in for Qdrant's REST API, over the local engine of qdrant-client.

It serves the calls that Tenantry makes. One process owns the folder. The engine does not persist payload
indexes and HNSW settings, so the stand-in stores these in a separate file and returns them.
"""
