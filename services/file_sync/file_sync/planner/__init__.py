"""Planner: compares files, objects and indexed documents, and decides the actions. Pure: no I/O."""
