"""Ingest, catalog, trash and repair of documents."""
