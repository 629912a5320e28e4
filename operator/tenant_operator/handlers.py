"""The only file that knows kopf: it watches Tenants and hands every event on.

kopf's low-level handler is used on purpose (docs/decisions/0001-use-kopf-for-events-only.md): its change
detection would write an annotation to every Tenant, once more at every restart and at every retry.
"""

import logging
import os
from typing import Any

import kopf
from servicekit.logs import configure_logs
from tenancy.names import GROUP, PLURAL, VERSION

from .context import Context
from .settings import Settings

__all__ = ["run"]

WATCH_SECONDS = 300
"""A watch is renewed after this long, should the server not have ended it before."""


def run(settings: Settings) -> None:
    """Run the operator until it is told to stop (SIGTERM, SIGINT)."""
    configure_logs("operator", settings.log_level)
    # kopf tells of every event that it handed on; what came of it is told by us.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    kopf.run(registry=_registry(settings), clusterwide=True, standalone=True)


def _registry(settings: Settings) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()
    context = Context(settings)

    @kopf.on.login(registry=registry)
    def log_in(**arguments: Any) -> kopf.ConnectionInfo | None:
        with_file = bool(os.environ.get("KUBECONFIG"))
        return (kopf.login_with_kubeconfig if with_file else kopf.login_with_service_account)(**arguments)

    @kopf.on.startup(registry=registry)
    async def open_context(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.scanning.disabled = True  # our resource is there before us, and only ours is watched
        settings.posting.enabled = False
        settings.watching.server_timeout = WATCH_SECONDS
        settings.watching.client_timeout = WATCH_SECONDS + 10
        settings.watching.connect_timeout = 5
        # Each Tenant's events pass in microseconds, so a worker an object need not linger.
        settings.queueing.idle_timeout = 0.2
        await context.open()
        await context.start()

    @kopf.on.cleanup(registry=registry)
    async def close_context(**_: Any) -> None:
        await context.close()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def see(event: kopf.RawEvent, **_: Any) -> None:
        context.see(event["object"], deleted=event["type"] == "DELETED")

    return registry
