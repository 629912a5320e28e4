"""Operator part that keeps the tenant's workspace in Open WebUI."""
