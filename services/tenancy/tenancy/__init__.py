"""Domain of Tenantry: the Tenant, its names and rules, and the access of callers to it.

``sessions``, ``call_limiter``, ``callers`` and ``jwks`` are here although they call AWS or Keycloak. Each
knows the domain: sessions are bound to one tenant, calls are counted by tenant, and callers resolve to a
tenant. ``jwks`` raises this package's error for callers that cannot be authenticated. Code that knows no
tenant is in ``servicekit``.
"""
