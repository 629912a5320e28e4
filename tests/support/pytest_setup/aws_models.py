"""Descriptions of AWS' APIs, which botocore parses once per test process instead of once per session."""

import functools

import botocore.session

__all__ = ["share_aws_models"]


def share_aws_models() -> None:
    """Let all sessions of botocore use one loader, which caches the descriptions; parsing takes 0.1 s."""
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)
