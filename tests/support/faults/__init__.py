"""Faults that tests cause: crashes, hangs and outages."""
