"""Open WebUI's files become their tenant's documents: in S3, indexed, and gone when the file is."""
