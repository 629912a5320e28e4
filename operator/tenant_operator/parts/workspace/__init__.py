"""Part: the tenant's workspace in Open WebUI."""
