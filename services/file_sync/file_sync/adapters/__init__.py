"""Adapters of file-sync, one for each external system."""
