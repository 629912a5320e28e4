"""Part: the tenant's namespace and its quota."""
