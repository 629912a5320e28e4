"""Functions of Open WebUI, each a self-contained file.

Open WebUI stores a function's source and runs it in its process. So a function imports no other module of
Tenantry.
"""
