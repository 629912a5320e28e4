"""Linters that tests run as programs."""
