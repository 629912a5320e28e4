"""HTTP server, middleware, error responses and probes of the services."""
