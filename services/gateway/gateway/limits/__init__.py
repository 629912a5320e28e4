"""Limits and cost: what a tenant may use, what it has used, and what that costs.

The limits stand in the Tenant itself. Redis only counts.
"""
