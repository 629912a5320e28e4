"""Generators of pages of the reference."""
