"""Sync loops: the order of runs, and the execution of plans."""
