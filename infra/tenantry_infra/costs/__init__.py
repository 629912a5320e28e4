"""Estimates of what an environment costs in a month, from its templates and a table of prices."""
