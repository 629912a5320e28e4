"""Snapshots of Qdrant's collections in S3, and their restore.

Snapshots only make a recovery faster: the documents in S3 are the truth, and every collection can be built
from them. A restore therefore keeps only what the Tenants and the bucket confirm.
"""
