"""The n8n workflows of Tenantry, the environment that n8n needs, and the job that imports the workflows."""
