"""Sync loops: the order of comparisons, and the execution of plans."""
