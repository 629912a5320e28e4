"""Part of the tenant's prefix in the documents bucket."""
