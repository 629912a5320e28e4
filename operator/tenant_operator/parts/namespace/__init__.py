"""Operator part that keeps the tenant's namespace and its quota."""
