"""HTTP API of file-sync."""
