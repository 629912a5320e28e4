"""Gateway: the only service with access to documents, vectors and models."""
