"""Test of logs: one JSON object per line with bound context, also from libraries."""

import json
import subprocess
import sys

PROGRAM = """
import logging
import structlog
from servicekit.logs import configure_logs

configure_logs("gateway", "INFO")
with structlog.contextvars.bound_contextvars(tenant="tenantb", request_id="r1"):
    structlog.get_logger("a").warning("It rains", drops=3)
    logging.getLogger("library").error("Also %s", "here")
    logging.getLogger("botocore").info("Chatter")
    structlog.get_logger("a").debug("Details")
try:
    raise ValueError("what went wrong")
except ValueError:
    structlog.get_logger("a").exception("Broken")
"""


def test_every_line_is_json_with_service_tenant_and_request() -> None:
    # In a separate process, because logging is configured per process.
    run = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert run.stdout == ""
    rain, library, broken = map(json.loads, run.stderr.splitlines())
    assert rain.items() >= {
        "event": "It rains", "level": "warning", "drops": 3,
        "service": "gateway", "tenant": "tenantb", "request_id": "r1",
    }.items()  # fmt: skip
    assert rain["timestamp"].endswith("Z")
    assert library.items() >= {"event": "Also here", "level": "error", "tenant": "tenantb"}.items()
    assert "what went wrong" in broken["exception"]
    assert "tenant" not in broken
