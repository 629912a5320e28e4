"""Functions of Open WebUI, each a self-contained file.

Open WebUI stores their source and runs it in its process, so they import no other module of Tenantry.
"""
