"""``python -m n8n_install``: import and publish the workflows; a second run changes nothing."""

import asyncio

import httpx
import structlog
from servicekit.errors import BackendError
from servicekit.logs import configure_logs
from servicekit.settings import read_settings

from .install import WorkflowsNotInstalled, install, wait_for_webhooks
from .n8n import CALL_TIMEOUT_SECONDS, N8n
from .settings import N8nInstallSettings
from .workflows import load_workflows

__all__ = ["main"]


def main() -> None:
    """Read the settings and install the workflows; log the reason of a failure."""
    settings = read_settings(N8nInstallSettings)
    configure_logs("n8n-install", settings.log_level)
    log = structlog.get_logger("n8n_install")
    try:
        changed = asyncio.run(_run(settings))
    except (WorkflowsNotInstalled, BackendError) as exc:
        log.error("The workflows are not installed", reason=str(exc))  # noqa: TRY400 (a sentence, not a trace)
        raise SystemExit(1) from exc
    log.info("The workflows are installed", changed=changed)


async def _run(settings: N8nInstallSettings) -> int:
    async with httpx.AsyncClient(timeout=CALL_TIMEOUT_SECONDS) as http:
        n8n = N8n(settings.url, settings.email, settings.password.get_secret_value(), http)
        workflows = load_workflows(settings.gateway_url)
        changes = await install(n8n, workflows, wait_seconds=settings.ready_timeout_seconds)
        webhooks = settings.webhook_url or settings.url
        await wait_for_webhooks(webhooks, http, wait_seconds=settings.ready_timeout_seconds)
    return len(changes)


if __name__ == "__main__":
    main()
