"""Programs that are installed once per machine into the cache.

They come from other registries than PyPI, or need other versions of this environment's packages.
"""
