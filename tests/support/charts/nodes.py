"""Controllers of workloads, and simulated nodes that report the status of pods."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from kubernetes import client
from tenantry_local.part import Command
from tenantry_local.parts.kubernetes import ControllerManager, run_kubectl
from tenantry_local.platform import Platform
from tenantry_local.processes import LocalError
from typing_extensions import override

from tests.support.backends.api_server import open_admin_client
from tests.support.charts.metrics_api import FROM_CACHE

__all__ = ["FAILS", "SYNC_SECONDS", "run_controllers", "run_pods"]

SYNC_SECONDS = 0.5
"""Interval of autoscalers. Tests use seconds in place of minutes, so the shortest period of a rule is 1 s."""

POLL_SECONDS = 0.1

FAILS = "FAIL_IN_TESTS"
"""Environment variable of a container that fails."""


class _Controllers(ControllerManager):
    """Controller manager with the controllers that create and scale pods, next to the platform's own."""

    name = "workload-controllers"
    controllers: ClassVar[tuple[str, ...]] = (
        "deployment-controller",
        "replicaset-controller",
        "statefulset-controller",
        "job-controller",
        "horizontal-pod-autoscaler-controller",
    )

    @override
    def build_command(self) -> Command:
        return Command(
            [
                *super().build_command().argv,
                "--secure-port=0",  # no program queries it
                f"--horizontal-pod-autoscaler-sync-period={SYNC_SECONDS * 1000:.0f}ms",
                "--horizontal-pod-autoscaler-downscale-stabilization=5s",  # if an autoscaler sets none
                "--horizontal-pod-autoscaler-initial-readiness-delay=0s",
                "--horizontal-pod-autoscaler-cpu-initialization-period=0s",
                "--kube-api-qps=500",
                "--kube-api-burst=1000",
            ]
        )


@contextmanager
def run_controllers(platform: Platform) -> Iterator[None]:
    """Run the controllers of Deployments, StatefulSets, Jobs and autoscalers inside the block."""
    controllers = _Controllers(platform.context)
    command = controllers.build_command()
    platform.processes.start(controllers.name, command.argv, command.env)
    try:
        yield
    finally:
        platform.processes.stop(controllers.name)


@contextmanager
def run_pods(platform: Platform, namespace: str) -> Iterator[None]:
    """Report each pod of a namespace as running inside the block."""
    ended = threading.Event()
    with open_admin_client(platform) as api:
        nodes = _Nodes(platform, namespace, client.CoreV1Api(api))
        thread = threading.Thread(target=nodes.run, args=[ended])
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


class _Nodes:
    """Simulated nodes: a service is ready immediately, and the pod of a job or of `helm test` succeeds.

    A job that calls kubectl runs it, with the rights of its service account.
    """

    def __init__(self, platform: Platform, namespace: str, api: client.CoreV1Api) -> None:
        self._platform = platform
        self._namespace = namespace
        self._api = api

    def run(self, ended: threading.Event) -> None:
        while not ended.wait(POLL_SECONDS):
            answer: Any = self._api.list_namespaced_pod(
                self._namespace,
                field_selector="status.phase=Pending",
                resource_version=FROM_CACHE,
                _preload_content=False,
            )
            for pod in json.loads(answer.data)["items"]:
                self._report_status(pod["metadata"]["name"], self._make_status(pod))

    def _make_status(self, pod: dict[str, Any]) -> dict[str, Any]:
        owners = {owner["kind"] for owner in pod["metadata"].get("ownerReferences", [])}
        if "Job" in owners or pod["spec"]["restartPolicy"] == "Never":
            return {"phase": "Succeeded" if self._is_completed(pod["spec"]) else "Failed"}
        ready = {"type": "Ready", "status": "True"}
        return {
            "phase": "Running",
            "startTime": pod["metadata"]["creationTimestamp"],
            "conditions": [ready, ready | {"type": "ContainersReady"}],
        }

    def _is_completed(self, spec: dict[str, Any]) -> bool:
        (container,) = spec["containers"]
        if any(variable["name"] == FAILS for variable in container.get("env", [])):
            return False
        if "/kubectl:" not in container["image"]:
            return True
        account = f"system:serviceaccount:{self._namespace}:{spec['serviceAccountName']}"
        try:
            run_kubectl(self._platform.context, f"--as={account}", *container["args"])
        except LocalError:
            return False
        return True

    def _report_status(self, name: str, status: dict[str, Any]) -> None:
        try:
            self._api.patch_namespaced_pod_status(name, self._namespace, {"status": status})
        except client.ApiException as exc:
            if exc.status != 404:  # scaled away meanwhile
                raise
