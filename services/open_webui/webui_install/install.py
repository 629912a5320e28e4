"""Installer of the desired state in Open WebUI: observe, apply changes, and repeat until all are applied."""

import asyncio

import httpx
import structlog
from servicekit.errors import BackendUnavailable

from .client import InstallerClient
from .desired import build_desired_state
from .plan import Change, SetValves, plan
from .settings import WebUIInstallSettings

__all__ = ["FunctionsNotInstalled", "install"]

RETRY_DELAY_SECONDS = 2.0
"""Pause between two attempts: Open WebUI takes up to a minute to start."""

SIGN_IN_LIMIT_DELAY_SECONDS = 60.0
"""Pause after too many sign-ins. Open WebUI also counts refused sign-ins, so short pauses would never end the
limit."""

MAX_PASSES = 5
"""Maximum number of passes that apply changes. If changes remain, another program reverts them."""


class FunctionsNotInstalled(Exception):
    """Open WebUI did not reach the desired state in time."""


async def install(settings: WebUIInstallSettings, transport: httpx.AsyncBaseTransport | None = None) -> int:
    """Install the desired state; return the number of changes.

    If the job is killed, the next run completes the installation.

    Raises
    ------
    FunctionsNotInstalled
        Open WebUI did not answer in time, or another program reverted the changes.
    BackendRefused
        The administrator's password is wrong, or Open WebUI refused a function.
    """
    async with httpx.AsyncClient(base_url=settings.url, transport=transport, timeout=None) as http:  # noqa: S113 (Remote sets timeouts)
        webui = InstallerClient(http)
        try:
            async with asyncio.timeout(settings.timeout_seconds):
                return await _install(webui, settings)
        except TimeoutError as exc:
            raise FunctionsNotInstalled(
                f"Open WebUI at {settings.url} did not reach the desired state within "
                f"{settings.timeout_seconds:g} s"
            ) from exc


async def _install(webui: InstallerClient, settings: WebUIInstallSettings) -> int:
    log = structlog.get_logger("webui_install")
    applied = 0
    passes = 0
    while passes < MAX_PASSES:
        try:
            changes = await _apply_changes(webui, settings)
        except BackendUnavailable as exc:
            log.info("Open WebUI does not answer yet", reason=exc.reason)
            await asyncio.sleep(SIGN_IN_LIMIT_DELAY_SECONDS if _is_busy(exc) else RETRY_DELAY_SECONDS)
            continue
        if not changes:
            log.info("Open WebUI is up to date", changes=applied)
            return applied
        for change in changes:
            log.info("Changed", change=_describe(change))
        applied += len(changes)
        passes += 1
    raise FunctionsNotInstalled(
        "The changes are reverted after each pass. Does another installer write to this Open WebUI?"
    )


async def _apply_changes(webui: InstallerClient, settings: WebUIInstallSettings) -> list[Change]:
    """Observe Open WebUI, apply the planned changes and return them."""
    desired = build_desired_state(settings)
    if not webui.is_signed_in:
        await webui.sign_in(settings.admin_email, settings.admin_password.get_secret_value())
    changes = plan(desired, await webui.observe(desired))
    for change in changes:
        await webui.apply(change)
    if changes:
        await webui.refresh_models()
    return changes


def _is_busy(exc: BackendUnavailable) -> bool:
    cause = exc.__cause__
    return (
        isinstance(cause, httpx.HTTPStatusError)
        and cause.response.status_code == httpx.codes.TOO_MANY_REQUESTS
    )


def _describe(change: Change) -> str:
    """Return a change for the log, without source text and secrets."""
    match change:
        case SetValves(function_id, valves):
            return f"SetValves {function_id}: {', '.join(sorted(valves))}"
        case _:
            subject = next(iter(vars(change).values()))
            return f"{type(change).__name__} {subject if isinstance(subject, str) else subject.id}"
