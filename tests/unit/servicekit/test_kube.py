"""What the Kubernetes client's errors mean, and where it looks for the API server."""

import json
from pathlib import Path

import aiohttp
import pytest
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.config import ConfigException
from servicekit import kube
from servicekit.remote import Fault


@pytest.mark.parametrize("status", [0, None, 500, 503, 504])
def test_what_may_pass_is_transient(status: int | None) -> None:
    assert kube.classify(ApiException(status=status)) is Fault.TRANSIENT


@pytest.mark.parametrize("status", [408, 409, 429])
def test_what_may_pass_and_shows_that_the_server_works_opens_no_circuit(status: int) -> None:
    assert kube.classify(ApiException(status=status)) is Fault.BUSY


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_stays_is_permanent(status: int) -> None:
    assert kube.classify(ApiException(status=status)) is Fault.PERMANENT


@pytest.mark.parametrize(
    "exc", [aiohttp.ServerDisconnectedError(), ConnectionResetError(), OSError("no route")]
)
def test_a_broken_connection_is_transient(exc: Exception) -> None:
    assert kube.classify(exc) is Fault.TRANSIENT


def test_a_mistake_of_ours_is_no_fault_of_kubernetes() -> None:
    assert kube.classify(KeyError("items")) is None


async def test_the_kubeconfig_is_read_when_it_is_named_not_when_the_library_was_imported(
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


async def test_outside_a_cluster_and_without_a_kubeconfig_the_reason_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigException, match="not set"):
        await kube.connect()
