"""Errors of the jobs."""

__all__ = ["IncompleteSnapshot", "SnapshotsFailed"]


class SnapshotsFailed(Exception):
    """The job did not save or restore the collections; the message gives the reason and the remedy."""


class IncompleteSnapshot(Exception):
    """The content that arrived differs from the content that was announced, so the transfer is repeated."""
