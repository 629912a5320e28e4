"""Simulated time, waits for conditions, and steps of the event loop."""
