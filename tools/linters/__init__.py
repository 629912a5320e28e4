"""Linters that are built from Go modules."""
