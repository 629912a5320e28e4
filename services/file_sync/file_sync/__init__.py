"""File-sync: stores Open WebUI's files as documents of their tenants, and has them indexed."""
