"""Functions and model records that Tenantry adds to Open WebUI, and the job that installs them."""
