"""TLS context from a CA file."""

import ssl
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

__all__ = ["AuthorityFile", "create_ssl_context"]


def create_ssl_context(authority: Path | None) -> ssl.SSLContext | bool:
    """Return the value of ``verify`` for httpx and its transports.

    Parameters
    ----------
    authority
        PEM file of the only trusted certificates; ``None`` for httpx' default trust store.

    Raises
    ------
    ValueError
        The file cannot be read, or contains no certificate.
    """
    if authority is None:
        return True
    try:
        context = ssl.create_default_context(cafile=authority)
    except ssl.SSLError:
        raise ValueError(f"{authority} contains no certificate") from None
    except OSError as exc:
        raise ValueError(f"{authority} cannot be read: {exc.strerror}") from None
    if not context.cert_store_stats()["x509"]:  # a file with only a revocation list loads without an error
        raise ValueError(f"{authority} contains no certificate")
    return context


def _validate(authority: Path) -> Path:
    create_ssl_context(authority)
    return authority


AuthorityFile = Annotated[Path, AfterValidator(_validate)]
"""Path of a CA file in a setting; the setting is refused if the file contains no certificate."""
