"""Access to a namespace of a cluster with real pods through kubectl and helm; ``KUBECONFIG`` names it."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tenantry_local.programs import helm

__all__ = ["Cluster", "Failed", "wait_until_true"]

Object = dict[str, Any]

KUBECTL = str(Path(sys.prefix) / "bin" / "kubectl")


class Failed(Exception):
    """kubectl or helm failed; the message is its output."""


def wait_until_true(condition: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Wait until a condition is true; fail after ``seconds`` with ``what`` in the message."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.5)


class Cluster:
    """One namespace of a cluster.

    Parameters
    ----------
    namespace
        Namespace of all objects that are read or created.
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def run_kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl and return its output.

        Raises
        ------
        Failed
            kubectl failed.
        """
        return _run([KUBECTL, f"--namespace={self.namespace}", *arguments], stdin)

    def run_helm(self, *arguments: str, stdin: str | None = None) -> str:
        """Run helm and return its output.

        Raises
        ------
        Failed
            helm failed.
        """
        return _run([str(helm.install(lambda _: None)), f"--namespace={self.namespace}", *arguments], stdin)

    def apply(self, *objects: Object) -> None:
        """Create or update objects."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.run_kubectl(
            "apply", "--server-side", "--force-conflicts", "--validate=false", "-f", "-", stdin=text
        )

    def get(self, kind: str, name: str) -> Object:
        """Return one object."""
        found: Object = json.loads(self.run_kubectl("get", kind, name, "-o", "json"))
        return found

    def list(self, kinds: str, *options: str) -> list[Object]:
        """Return all objects of some kinds; ``options`` are kubectl's, such as ``-l`` and ``-A``."""
        found: list[Object] = json.loads(self.run_kubectl("get", kinds, "-o", "json", *options))["items"]
        return found

    def list_pods(self, release: str, workload: str) -> Sequence[Object]:
        """Return the pods of a workload that are not being deleted."""
        selector = f"app.kubernetes.io/instance={release},app.kubernetes.io/name={workload}"
        return [pod for pod in self.list("pods", "-l", selector) if _is_active_pod(pod["metadata"])]

    def run(self, pod: str, program: str, *arguments: str, stdin: str | None = None) -> str:
        """Run a Python program inside a pod, or inside any pod of ``deployment/NAME``; return its output."""
        return self.run_kubectl("exec", "-i", pod, "--", "python", "-c", program, *arguments, stdin=stdin)

    def start_program(self, pod: str, program: str, *arguments: str) -> "subprocess.Popen[str]":
        """Start a Python program inside a pod. The program ends when its standard input is closed."""
        argv = [KUBECTL, f"--namespace={self.namespace}", "exec", "-i", pod, "--", "python", "-c", program]
        return subprocess.Popen(
            [*argv, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def is_whole(self, workload: str) -> bool:
        """Return True if all desired pods of a workload (``deployment/NAME``) are ready."""
        status = (item := self.get(*workload.split("/")))["status"]
        return bool(status.get("readyReplicas") == item["spec"]["replicas"] == status.get("replicas"))

    def wait_until_ready(self, *workloads: str, seconds: int = 300) -> None:
        """Wait until all pods of workloads (``deployment/NAME``) are of the latest version and ready."""
        for workload in workloads:
            self.run_kubectl("rollout", "status", workload, f"--timeout={seconds}s")

    @contextmanager
    def forward_port(self, service: str, port: int) -> Iterator[int]:
        """Yield a port on 127.0.0.1 that leads to a pod of a service."""
        argv = [KUBECTL, f"--namespace={self.namespace}", "port-forward", f"service/{service}", f":{port}"]
        forward = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert forward.stdout is not None
        assert forward.stderr is not None
        try:
            said = re.match(r"Forwarding from 127\.0\.0\.1:(\d+)", forward.stdout.readline())
            if said is None:
                raise Failed(forward.stderr.read())
            yield int(said[1])
        finally:
            forward.terminate()
            forward.communicate()


def _is_active_pod(metadata: Object) -> bool:
    """Return True if a controller owns the pod and the pod is not being deleted."""
    return "ownerReferences" in metadata and "deletionTimestamp" not in metadata


def _run(argv: list[str], stdin: str | None = None) -> str:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        raise Failed(
            f"{Path(argv[0]).name} {' '.join(argv[2:6])}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        )
    return done.stdout
