"""API clients of the operator, one for each external system."""
