"""Test data builders, fakes, and helpers that start the real platform."""
