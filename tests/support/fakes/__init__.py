"""Fakes of backends and stores for unit tests."""
