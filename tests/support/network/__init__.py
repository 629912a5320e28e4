"""Evaluation of network policies, as pure functions of the objects of a cluster."""
