"""Setup of a test run: order, logs and hooks."""
