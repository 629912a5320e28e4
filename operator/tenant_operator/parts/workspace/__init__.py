"""Part of the tenant's workspace in Open WebUI."""
