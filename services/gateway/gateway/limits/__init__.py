"""Limits, metering and usage of tenants.

The Tenant resource defines the limits; Redis holds only counters.
"""
