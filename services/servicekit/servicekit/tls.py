"""A certificate authority of one's own, that a service is told to trust for one server."""

import ssl
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

__all__ = ["AuthorityFile", "ssl_context"]


def ssl_context(authority: Path | None) -> ssl.SSLContext | bool:
    """Return what httpx and its transports take as ``verify``.

    Parameters
    ----------
    authority
        PEM file whose certificates are trusted, and no others; ``None`` for those that httpx trusts.

    Raises
    ------
    ValueError
        The file cannot be read, or holds no certificate.
    """
    if authority is None:
        return True
    try:
        context = ssl.create_default_context(cafile=authority)
    except ssl.SSLError:
        raise ValueError(f"{authority} holds no certificate") from None
    except OSError as exc:
        raise ValueError(f"{authority} cannot be read: {exc.strerror}") from None
    if not context.cert_store_stats()["x509"]:  # a list of revoked ones alone is read without a word
        raise ValueError(f"{authority} holds no certificate")
    return context


def _checked(authority: Path) -> Path:
    ssl_context(authority)
    return authority


AuthorityFile = Annotated[Path, AfterValidator(_checked)]
"""A setting that stops the start when the file is missing, or holds no certificate."""
