"""Open WebUI's REST API, as much of it as the installer needs, as its administrator."""

import functools
from collections.abc import Mapping
from typing import Any

import httpx
from servicekit.remote import Fault, Remote

from .plan import (
    Activate,
    Change,
    CreateFunction,
    CreateModel,
    Seen,
    SeenFunction,
    SeenModel,
    SetAccess,
    SetValves,
    UpdateFunction,
    UpdateModel,
)
from .wanted import Wanted, WantedFunction, WantedModel

__all__ = ["OpenWebUI"]

CALL_SECONDS = 20.0
"""A function is loaded when it is written, and a model list asks every provider."""


class OpenWebUI:
    """One Open WebUI.

    Parameters
    ----------
    http
        A client with Open WebUI's base URL; the caller closes it.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._token = ""
        self._reading = Remote("open-webui", classify, timeout=CALL_SECONDS)
        # To switch is not idempotent, nor is to create: a second try could undo or refuse the first.
        self._writing = Remote("open-webui", classify, timeout=CALL_SECONDS, attempts=1)

    @property
    def is_signed_in(self) -> bool:
        """Whether :meth:`sign_in` has succeeded."""
        return bool(self._token)

    async def sign_in(self, email: str, password: str) -> None:
        """Become the administrator.

        Open WebUI takes 15 tries an account in three minutes, and counts those that it turns away.

        Raises
        ------
        RemoteUnavailable
            There was no answer, or there were too many tries.
        RemoteRefused
            There is no such account, or the password is another.
        """
        body = {"email": email, "password": password}
        sign_in = functools.partial(self._send, "POST", "/api/v1/auths/signin", json=body)
        self._token = (await self._writing.call("sign-in", sign_in))["token"]

    async def observe(self, wanted: Wanted) -> Seen:
        """Return what is there of what is wanted."""
        functions = {each["id"]: each for each in await self._read("list", "GET", "/api/v1/functions/export")}
        models = {each["id"]: each for each in await self._read("list", "GET", "/api/v1/models/all")}
        seen = {}
        for function in wanted.functions:
            if known := functions.get(function.id):
                valves = await self._read("get-valves", "GET", f"/api/v1/functions/id/{function.id}/valves")
                seen[function.id] = _function(known, valves or {})
        return Seen(seen, {each.id: _model(models[each.id]) for each in wanted.models if each.id in models})

    async def apply(self, change: Change) -> None:
        """Make one change, once.

        Raises
        ------
        RemoteUnavailable
            There was no answer; the change may have been made or not.
        RemoteRefused
            Open WebUI did not take it.
        """
        match change:
            case CreateFunction(function):
                await self._write("create-function", "/api/v1/functions/create", _function_form(function))
            case UpdateFunction(function):
                path = f"/api/v1/functions/id/{function.id}/update"
                await self._write("update-function", path, _function_form(function))
            case SetValves(function_id, valves):
                path = f"/api/v1/functions/id/{function_id}/valves/update"
                await self._write("set-valves", path, dict(valves))
            case Activate(function_id):
                await self._write("toggle-function", f"/api/v1/functions/id/{function_id}/toggle", {})
            case CreateModel(model):
                await self._write(
                    "create-model", "/api/v1/models/create", _model_form(model) | _access(model)
                )
            case UpdateModel(model):
                await self._write("update-model", "/api/v1/models/model/update", _model_form(model))
            case SetAccess(model):
                form = {"id": model.id, **_access(model)}
                await self._write("set-access", "/api/v1/models/model/access/update", form)

    async def refresh(self) -> None:
        """Let the list of models be made anew: Open WebUI answers from a kept one."""
        await self._read("refresh-models", "GET", "/api/models", params={"refresh": "true"})

    async def _read(self, operation: str, method: str, path: str, **arguments: Any) -> Any:
        return await self._reading.call(operation, functools.partial(self._send, method, path, **arguments))

    async def _write(self, operation: str, path: str, form: Mapping[str, Any]) -> None:
        await self._writing.call(operation, functools.partial(self._send, "POST", path, json=form))

    async def _send(self, method: str, path: str, **arguments: Any) -> Any:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        response = await self._http.request(method, path, headers=headers, **arguments)
        response.raise_for_status()
        return response.json()


def classify(exc: Exception) -> Fault | None:
    """Say what a failed call means. What is no JSON comes of a proxy before an Open WebUI that is not up."""
    match exc:
        case httpx.HTTPStatusError(response=response):
            code = response.status_code
            if code in (408, 429):
                return Fault.BUSY
            return Fault.TRANSIENT if code >= 500 else Fault.PERMANENT
        case httpx.HTTPError() | ValueError():
            return Fault.TRANSIENT
        case _:
            return None


def _function(said: Mapping[str, Any], valves: Mapping[str, Any]) -> SeenFunction:
    return SeenFunction(
        name=said["name"],
        description=said["meta"].get("description") or "",
        content=said["content"],
        is_active=said["is_active"],
        valves=valves,
    )


def _model(said: Mapping[str, Any]) -> SeenModel:
    return SeenModel(
        base_model_id=said["base_model_id"],
        name=said["name"],
        meta=said["meta"],
        grants=frozenset(
            (each["principal_type"], each["principal_id"], each["permission"])
            for each in said["access_grants"]
        ),
        is_active=said["is_active"],
    )


def _function_form(function: WantedFunction) -> dict[str, Any]:
    return {
        "id": function.id,
        "name": function.name,
        "content": function.content,
        "meta": {"description": function.description},
        "commit_message": f"Tenantry {function.version}",
    }


def _model_form(model: WantedModel) -> dict[str, Any]:
    return {
        "id": model.id,
        "base_model_id": model.base_model_id,
        "name": model.name,
        "meta": dict(model.meta),
        "params": {},
        "is_active": model.is_active,
    }


def _access(model: WantedModel) -> dict[str, Any]:
    grants = [
        {"principal_type": kind, "principal_id": principal, "permission": permission}
        for kind, principal, permission in sorted(model.grants)
    ]
    return {"access_grants": grants}
