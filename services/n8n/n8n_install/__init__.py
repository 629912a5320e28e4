"""The n8n workflows of Tenantry, what n8n must be told to keep nothing, and the job that imports them."""
