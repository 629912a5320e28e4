"""Open WebUI: clients, pages, database rows and the pipe."""
