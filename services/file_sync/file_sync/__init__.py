"""File-sync: stores Open WebUI's files as documents of their tenant, and keeps the index in step."""
