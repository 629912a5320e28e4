"""EKS' Pod Identity agent: gives each pod credentials of the role of its service account.

The agent of EKS verifies the pod's token; this one only reads the name of the service account in it.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tenantry_local.parts.aws import ROLE_SERVICES, Aws
from typing_extensions import override

from ..roles import assume_role

__all__ = ["serve_pod_identity"]

PATH = "/v1/credentials"

SERVICES = (*ROLE_SERVICES, "open-webui")


@contextmanager
def serve_pod_identity(aws: Aws, address: str) -> Iterator[None]:
    """Run the agent on port 80 of an address inside the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service = read_service(self.headers.get("Authorization", ""))
            if self.path != PATH or service not in SERVICES:
                self.send_error(404, f"no role for {service!r}")
                return
            credentials = assume_role(aws, service)
            content = {
                "AccessKeyId": credentials["AccessKeyId"],
                "SecretAccessKey": credentials["SecretAccessKey"],
                "Token": credentials["SessionToken"],
                "Expiration": credentials["Expiration"],
            }
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        @override
        def log_message(self, format: str, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer((address, 80), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def read_service(token: str) -> str:
    """Return the service of a pod's token, whose service account is ``RELEASE-SERVICE``."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)) or b"{}")
    account = str(claims.get("sub", "")).rpartition(":")[2]
    return next((name for name in SERVICES if account.endswith(f"-{name}")), "")
