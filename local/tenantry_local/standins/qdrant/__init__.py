"""Stand-in for Qdrant's REST API, over the local engine of qdrant-client.

It serves the calls that Tenantry makes. Only one process can use a data folder. The engine does not persist
payload indexes and HNSW settings, so the stand-in stores them in a separate file.
"""
