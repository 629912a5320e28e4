"""TLS of Open WebUI's connections to Postgres and Redis.

Open WebUI passes its URLs to libpq and to the Redis client, and has no other setting for TLS. The chart puts
this file in front of guard.py and schema.py, so it runs before Open WebUI is imported.
"""

import os
import sys
from collections.abc import MutableMapping
from urllib.parse import parse_qsl, urlencode, urlsplit

MODES_WITH_TLS = {"require", "verify-ca", "verify-full"}
"""Values of libpq's ``sslmode`` that never permit a connection without TLS."""


def build_database_url(url: str, ca_file: str) -> str:
    """Return the URL with the parameters that verify Postgres' certificate and host name.

    Raises
    ------
    ValueError
        The URL permits a connection without TLS.
    """
    given = dict(parse_qsl(urlsplit(url).query))
    mode = given.get("sslmode", given.get("ssl", "verify-full"))
    if mode not in MODES_WITH_TLS:
        raise ValueError(f"must not contain sslmode={mode}, because connections to Postgres must use TLS")
    others = {name: value for name, value in given.items() if name not in {"ssl", "sslmode", "sslrootcert"}}
    return _replace_query(url, others | {"sslmode": "verify-full", "sslrootcert": ca_file})


def build_redis_url(url: str, ca_file: str) -> str:
    """Return the URL with the CA file. The Redis client verifies certificate and host name by default.

    Raises
    ------
    ValueError
        The URL has no TLS, or contains options for TLS.
    """
    parts = urlsplit(url)
    if parts.scheme != "rediss":
        raise ValueError("must begin with rediss://, because connections to Redis must use TLS")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in given:
        if name.startswith("ssl_"):
            raise ValueError(f"must not contain {name}: the certificate is always verified")
    return _replace_query(url, given | ({"ssl_ca_certs": ca_file} if ca_file else {}))


def require_tls(environ: MutableMapping[str, str]) -> None:
    """Add the options for TLS to the variables with URLs, as far as the chart requires TLS.

    Raises
    ------
    SystemExit
        A URL does not allow a verified connection. The standard error names its variable.
    """
    name = ""
    try:
        if ca_file := environ.get("TENANTRY_DATABASE_CA_FILE"):
            name = "DATABASE_URL"
            environ[name] = build_database_url(environ[name], ca_file)
        if environ.get("TENANTRY_REDIS_TLS") == "true":
            for name in ("REDIS_URL", "WEBSOCKET_REDIS_URL"):
                environ[name] = build_redis_url(environ[name], environ.get("TENANTRY_REDIS_CA_FILE", ""))
    except ValueError as exc:
        sys.stderr.write(f"{name}: {exc}\n")
        raise SystemExit(2) from exc


def _replace_query(url: str, parameters: dict[str, str]) -> str:
    base = url.partition("?")[0]
    return f"{base}?{urlencode(parameters, safe='/')}" if parameters else base


if __name__ == "__main__":
    require_tls(os.environ)
