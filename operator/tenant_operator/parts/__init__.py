"""Parts of the operator: one adapter for each concern of a tenant, with the same methods."""
