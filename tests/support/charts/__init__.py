"""Rendered charts, and the cluster services that they need."""
