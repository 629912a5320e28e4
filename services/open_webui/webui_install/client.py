"""Client of Open WebUI's REST API, limited to the administrator's calls that the installer needs."""

import functools
from collections.abc import Mapping
from typing import Any

import httpx
from servicekit.remote import FailureClass, Remote

from .desired import DesiredFunction, DesiredModel, DesiredState
from .plan import (
    Activate,
    Change,
    CreateFunction,
    CreateModel,
    ObservedFunction,
    ObservedModel,
    ObservedState,
    SetAccess,
    SetValves,
    UpdateFunction,
    UpdateModel,
)

__all__ = ["InstallerClient"]

CALL_TIMEOUT_SECONDS = 20.0
"""Timeout of a call: Open WebUI loads a function on each write, and lists the models of all providers."""


class InstallerClient:
    """Client of one Open WebUI.

    Parameters
    ----------
    http
        A client with Open WebUI's base URL; the caller closes it.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._token = ""
        self._reading = Remote("open-webui", classify, timeout=CALL_TIMEOUT_SECONDS)
        # Toggling and creating are not idempotent: a second attempt could revert the first, or be refused.
        self._writing = Remote("open-webui", classify, timeout=CALL_TIMEOUT_SECONDS, attempts=1)

    @property
    def is_signed_in(self) -> bool:
        """True if :meth:`sign_in` has succeeded."""
        return bool(self._token)

    async def sign_in(self, email: str, password: str) -> None:
        """Sign in as the administrator.

        Open WebUI allows 15 attempts for each account in three minutes. Refused attempts count as well.

        Raises
        ------
        BackendUnavailable
            Open WebUI did not respond, or the account made too many attempts.
        BackendRefused
            The account does not exist or the password is wrong.
        """
        body = {"email": email, "password": password}
        sign_in = functools.partial(self._send, "POST", "/api/v1/auths/signin", json=body)
        self._token = (await self._writing.call("sign-in", sign_in))["token"]

    async def observe(self, desired: DesiredState) -> ObservedState:
        """Return the observed state of the desired functions and model records."""
        functions = {
            function["id"]: function
            for function in await self._read("list", "GET", "/api/v1/functions/export")
        }
        models = {model["id"]: model for model in await self._read("list", "GET", "/api/v1/models/all")}
        observed = {}
        for function in desired.functions:
            if existing := functions.get(function.id):
                valves = await self._read("get-valves", "GET", f"/api/v1/functions/id/{function.id}/valves")
                observed[function.id] = _to_function(existing, valves or {})
        return ObservedState(
            observed,
            {model.id: _to_model(models[model.id]) for model in desired.models if model.id in models},
        )

    async def apply(self, change: Change) -> None:
        """Apply one change, without retries.

        Raises
        ------
        BackendUnavailable
            Open WebUI did not respond; the change may or may not be applied.
        BackendRefused
            Open WebUI refused the change.
        """
        match change:
            case CreateFunction(function):
                await self._write("create-function", "/api/v1/functions/create", _to_function_form(function))
            case UpdateFunction(function):
                path = f"/api/v1/functions/id/{function.id}/update"
                await self._write("update-function", path, _to_function_form(function))
            case SetValves(function_id, valves):
                path = f"/api/v1/functions/id/{function_id}/valves/update"
                await self._write("set-valves", path, dict(valves))
            case Activate(function_id):
                await self._write("toggle-function", f"/api/v1/functions/id/{function_id}/toggle", {})
            case CreateModel(model):
                await self._write(
                    "create-model", "/api/v1/models/create", _to_model_form(model) | _to_access_form(model)
                )
            case UpdateModel(model):
                await self._write("update-model", "/api/v1/models/model/update", _to_model_form(model))
            case SetAccess(model):
                form = {"id": model.id, **_to_access_form(model)}
                await self._write("set-access", "/api/v1/models/model/access/update", form)

    async def refresh_models(self) -> None:
        """Refresh Open WebUI's cached list of models."""
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


def classify(exc: Exception) -> FailureClass | None:
    """Return the class of a failed call.

    A non-JSON body means that a proxy answered because Open WebUI is down; treat it as transient.
    """
    match exc:
        case httpx.HTTPStatusError(response=response):
            code = response.status_code
            if code in (408, 429):
                return FailureClass.BUSY
            return FailureClass.TRANSIENT if code >= 500 else FailureClass.PERMANENT
        case httpx.HTTPError() | ValueError():
            return FailureClass.TRANSIENT
        case _:
            return None


def _to_function(record: Mapping[str, Any], valves: Mapping[str, Any]) -> ObservedFunction:
    return ObservedFunction(
        name=record["name"],
        description=record["meta"].get("description") or "",
        content=record["content"],
        is_active=record["is_active"],
        valves=valves,
    )


def _to_model(record: Mapping[str, Any]) -> ObservedModel:
    return ObservedModel(
        base_model_id=record["base_model_id"],
        name=record["name"],
        meta=record["meta"],
        grants=frozenset(
            (grant["principal_type"], grant["principal_id"], grant["permission"])
            for grant in record["access_grants"]
        ),
        is_active=record["is_active"],
    )


def _to_function_form(function: DesiredFunction) -> dict[str, Any]:
    return {
        "id": function.id,
        "name": function.name,
        "content": function.content,
        "meta": {"description": function.description},
        "commit_message": f"Tenantry {function.version}",
    }


def _to_model_form(model: DesiredModel) -> dict[str, Any]:
    return {
        "id": model.id,
        "base_model_id": model.base_model_id,
        "name": model.name,
        "meta": dict(model.meta),
        "params": {},
        "is_active": model.is_active,
    }


def _to_access_form(model: DesiredModel) -> dict[str, Any]:
    grants = [
        {"principal_type": kind, "principal_id": principal, "permission": permission}
        for kind, principal, permission in sorted(model.grants)
    ]
    return {"access_grants": grants}
