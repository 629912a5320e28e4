"""Benchmarks: `make bench` prints tables and writes build/bench.json."""
