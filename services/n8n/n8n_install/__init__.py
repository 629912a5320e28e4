"""Tenantry's n8n workflows, the environment that n8n needs, and the job that imports the workflows."""
