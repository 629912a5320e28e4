"""Builders, fakes and the real platform, shared by tests."""
