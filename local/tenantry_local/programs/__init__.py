"""Programs that come from other registries than PyPI, or that our own packages would not get on with.

Each is installed once a machine, into a folder of the cache that its pins are the key of.
"""
