"""Parts of the operator: adapters with the same methods, one for each concern of a tenant."""
