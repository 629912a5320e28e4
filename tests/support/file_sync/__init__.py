"""File-sync's replicas and plans, and factories of files."""
