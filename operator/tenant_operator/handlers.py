"""Event handlers of kopf: they pass every event of a Tenant to the controller. No other module imports kopf.

This module uses kopf's low-level handler (docs/decisions/0001-use-kopf-for-events-only.md). Kopf's change
detection would write an annotation to every Tenant, and again at every restart and every retry.
"""

import logging
import os
from typing import Any

import kopf
from servicekit.logs import configure_logs
from tenancy.names import GROUP, PLURAL, VERSION

from .context import OperatorContext
from .settings import OperatorSettings

__all__ = ["run"]

WATCH_TIMEOUT_SECONDS = 300
"""Longest duration of one watch; the server may end it earlier."""


def run(settings: OperatorSettings) -> None:
    """Run the operator until SIGTERM or SIGINT."""
    configure_logs("operator", settings.log_level)
    # kopf logs every event that it passes on; the operator logs the result.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    kopf.run(registry=_build_registry(settings), clusterwide=True, standalone=True)


def _build_registry(settings: OperatorSettings) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()
    context = OperatorContext(settings)

    @kopf.on.login(registry=registry)
    def log_in(**arguments: Any) -> kopf.ConnectionInfo | None:
        with_file = bool(os.environ.get("KUBECONFIG"))
        return (kopf.login_with_kubeconfig if with_file else kopf.login_with_service_account)(**arguments)

    @kopf.on.startup(registry=registry)
    async def open_context(settings: kopf.OperatorSettings, **_: Any) -> None:
        # The CRD exists before the operator starts, and the operator watches no other resource.
        settings.scanning.disabled = True
        settings.posting.enabled = False
        settings.watching.server_timeout = WATCH_TIMEOUT_SECONDS
        settings.watching.client_timeout = WATCH_TIMEOUT_SECONDS + 10
        settings.watching.connect_timeout = 5
        # An event takes microseconds, so kopf's worker of each object can end soon.
        settings.queueing.idle_timeout = 0.2
        await context.open()
        await context.start()

    @kopf.on.cleanup(registry=registry)
    async def close_context(**_: Any) -> None:
        await context.close()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def handle_event(event: kopf.RawEvent, **_: Any) -> None:
        context.controller.handle_event(event["object"], deleted=event["type"] == "DELETED")

    return registry
