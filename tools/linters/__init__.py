"""Linters that are built from their Go modules."""
