"""Operator part that keeps the tenant's prefix in the documents bucket."""
