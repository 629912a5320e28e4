"""Fakes that stand in for backends and stores in unit tests."""
