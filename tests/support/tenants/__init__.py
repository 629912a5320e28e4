"""Tenants for tests, and what the operator creates for them."""
