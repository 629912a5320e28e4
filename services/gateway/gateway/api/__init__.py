"""HTTP: routes, who may call them, and how errors look."""
