"""Domain of the operator and the services: the Tenant model, names, the registry, identity, tickets.

It imports none of the others, so everything here must make sense to all of them.
"""
