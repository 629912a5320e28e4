"""HTTP server of the kubelet's probes: /healthz and /readyz."""

from collections.abc import Callable

from aiohttp import web

__all__ = ["Probes"]


class Probes:
    """Serves the probes.

    Parameters
    ----------
    host, port
        Address to listen on.
    list_missing
        Returns a sentence for each reason why no Tenant can be reconciled.
    """

    def __init__(self, host: str, port: int, list_missing: Callable[[], list[str]]) -> None:
        self._host = host
        self._port = port
        self._list_missing = list_missing
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Start to listen."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._handle_healthz),
                web.get("/readyz", self._handle_readyz),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()

    async def _handle_healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _handle_readyz(self, _: web.Request) -> web.Response:
        missing = self._list_missing()
        return web.json_response({"ok": not missing, "missing": missing}, status=503 if missing else 200)
