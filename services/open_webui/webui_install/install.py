"""Make Open WebUI as wanted: look, change what differs, look again, until nothing differs."""

import asyncio

import httpx
import structlog
from servicekit.errors import RemoteUnavailable

from .plan import Change, SetValves, plan
from .settings import Settings
from .wanted import wanted
from .webui import OpenWebUI

__all__ = ["NotInstalled", "install"]

PAUSE_SECONDS = 2.0
"""Between two tries: Open WebUI takes up to a minute to start."""

BUSY_SECONDS = 60.0
"""After too many sign-ins: each further one is counted too, so to hurry would last for ever."""

ROUNDS = 5
"""After so many rounds in which something was changed, somebody else is changing it back."""


class NotInstalled(Exception):
    """Open WebUI did not become as wanted in time."""


async def install(settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> int:
    """Install, and return how many changes that took; 0 when everything was as wanted.

    Killed anywhere it leaves nothing that the next run does not complete.

    Raises
    ------
    NotInstalled
        Open WebUI did not answer in time, or what was written did not stay.
    RemoteRefused
        The administrator's password is wrong, or Open WebUI does not take a function.
    """
    async with httpx.AsyncClient(base_url=settings.url, transport=transport, timeout=None) as http:  # noqa: S113 (Remote's)
        webui = OpenWebUI(http)
        try:
            async with asyncio.timeout(settings.seconds):
                return await _install(webui, settings)
        except TimeoutError as exc:
            raise NotInstalled(
                f"Open WebUI at {settings.url} was not as wanted within {settings.seconds:g} s"
            ) from exc


async def _install(webui: OpenWebUI, settings: Settings) -> int:
    log = structlog.get_logger("webui_install")
    made = 0
    rounds = 0
    while rounds < ROUNDS:
        try:
            changes = await _round(webui, settings)
        except RemoteUnavailable as exc:
            log.info("Open WebUI does not answer yet", reason=exc.reason)
            await asyncio.sleep(BUSY_SECONDS if _is_busy(exc) else PAUSE_SECONDS)
            continue
        if not changes:
            log.info("Open WebUI is as wanted", changes=made)
            return made
        for change in changes:
            log.info("Changed", change=_told(change))
        made += len(changes)
        rounds += 1
    raise NotInstalled("What was written does not stay: does another installer write to this Open WebUI?")


async def _round(webui: OpenWebUI, settings: Settings) -> list[Change]:
    """Look and change what differs; return what was changed."""
    want = wanted(settings)
    if not webui.is_signed_in:
        await webui.sign_in(settings.admin_email, settings.admin_password.get_secret_value())
    changes = plan(want, await webui.observe(want))
    for change in changes:
        await webui.apply(change)
    if changes:
        await webui.refresh()
    return changes


def _is_busy(exc: RemoteUnavailable) -> bool:
    cause = exc.__cause__
    return (
        isinstance(cause, httpx.HTTPStatusError)
        and cause.response.status_code == httpx.codes.TOO_MANY_REQUESTS
    )


def _told(change: Change) -> str:
    """Return a change for the log, without texts and secrets."""
    match change:
        case SetValves(function_id, valves):
            return f"SetValves {function_id}: {', '.join(sorted(valves))}"
        case _:
            what = next(iter(vars(change).values()))
            return f"{type(change).__name__} {what if isinstance(what, str) else what.id}"
