"""Retries, deadlines, logs, tracing, settings and HTTP serving, which every service needs."""
