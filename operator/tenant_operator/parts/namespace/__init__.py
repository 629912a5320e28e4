"""Part of the tenant's namespace and its quota."""
