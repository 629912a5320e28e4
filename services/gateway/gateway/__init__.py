"""Gateway: the only service that searches vectors and calls models."""
