"""What Tenantry adds to Open WebUI, and the job that puts it there."""
