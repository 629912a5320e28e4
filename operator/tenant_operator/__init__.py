"""Operator of Tenants: creates, repairs and removes everything that a Tenant declares."""
