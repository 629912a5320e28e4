"""The one door to the tenants' documents, vectors and models."""
