"""Access to the real backends of a platform: API server, Keycloak, Qdrant and clusters."""
