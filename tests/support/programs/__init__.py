"""Real programs of the platform under test, and access to them."""
