"""Tenants for tests, and checks of the objects that the operator creates for them."""
