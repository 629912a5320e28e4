"""Smoke test of an installed release: what users need answers, with the gateway's AWS identity.

It writes nothing, and no call of it costs anything.
"""
