"""Jobs of file-sync that run once and exit."""
