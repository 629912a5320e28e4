"""Retrieval of passages for a question."""
