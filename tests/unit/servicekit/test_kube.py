"""Tests of the classification of Kubernetes errors and of the client's configuration."""

import json
from pathlib import Path

import aiohttp
import pytest
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.config import ConfigException
from servicekit import kube
from servicekit.remote import FailureClass


@pytest.mark.parametrize("status", [0, None, 500, 503, 504])
def test_transient_statuses_are_retried(status: int | None) -> None:
    assert kube.classify(ApiException(status=status)) is FailureClass.TRANSIENT


@pytest.mark.parametrize("status", [408, 409, 429])
def test_statuses_of_a_busy_server_open_no_circuit(status: int) -> None:
    assert kube.classify(ApiException(status=status)) is FailureClass.BUSY


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_permanent_statuses_are_not_retried(status: int) -> None:
    assert kube.classify(ApiException(status=status)) is FailureClass.PERMANENT


@pytest.mark.parametrize(
    "exc", [aiohttp.ServerDisconnectedError(), ConnectionResetError(), OSError("no route")]
)
def test_a_broken_connection_is_transient(exc: Exception) -> None:
    assert kube.classify(exc) is FailureClass.TRANSIENT


def test_a_bug_is_not_classified() -> None:
    assert kube.classify(KeyError("items")) is None


async def test_the_kubeconfig_is_read_at_the_call_and_not_at_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(
        json.dumps(
            {
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )
    monkeypatch.setenv("KUBECONFIG", str(file))
    async with await kube.connect() as api:
        assert api.configuration.host == "https://127.0.0.1:1"


async def test_without_a_configuration_the_error_states_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigException, match="not set"):
        await kube.connect()
