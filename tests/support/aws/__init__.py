"""Emulators of AWS for the stacks in ``infra``."""
