"""Command line: ``python -m tests.e2e local_node|kind [pytest arguments]`` tests the chart on a cluster.

On the local node all tests run with network policies that filter egress as EKS' VPC CNI does. Without pytest
arguments, some tests are repeated on a new installation with the filter of most other CNIs.
``--egress-filter`` selects one of both. ``--profiles`` selects other profiles than that for kind.
``--optional`` succeeds where the cluster cannot run.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.support.network.policies import EgressFilter

from .eks.leftovers import remove_leftovers
from .eks.servers import Servers
from .images import REPLACED_BY_STANDINS, REPLACED_IMAGES, STANDIN_IMAGE, TENANTRY_IMAGES, Image
from .kind import Kind
from .local_node import LocalNode
from .profiles import EKS_PROFILES, EKS_TESTS, KIND, REPEATED_TESTS

FOLDER = Path(__file__).parent

CONCURRENCY = 2
"""Number of images that are built and loaded concurrently: packing and unpacking use one processor each."""


def main(*arguments: str) -> int:
    """Run the tests and return pytest's exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e", allow_abbrev=False)
    parser.add_argument("cluster", choices=("local_node", "kind"))
    parser.add_argument("--egress-filter", type=EgressFilter, choices=list(EgressFilter))
    parser.add_argument("--profiles", nargs="+", choices=(KIND, *EKS_PROFILES), default=[KIND])
    parser.add_argument("--optional", action="store_true")
    options, pytest_arguments = parser.parse_known_args(arguments)
    if options.cluster == "kind" and options.profiles != [KIND]:
        parser.error("the servers for the profiles for EKS can only run next to local_node")
    provider = Kind() if options.cluster == "kind" else LocalNode()
    if provider.missing:
        print(f"Skipping the tests on a cluster: {provider.missing}.")
        return 0 if options.optional else 1
    with provider.run(), tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(_load_images(provider), file)
        file.flush()
        given = {"KUBECONFIG": str(provider.kubeconfig), "TENANTRY_E2E_IMAGES": file.name}
        if isinstance(provider, Kind):
            return _run_tests(given, [str(FOLDER), *pytest_arguments])
        for profile in options.profiles:
            test = _test_kind_profile if profile == KIND else partial(_test_eks_profile, profile)
            if code := test(provider, given, options.egress_filter, pytest_arguments):
                return code
    return 0


def _test_kind_profile(
    node: LocalNode, given: dict[str, str], chosen: EgressFilter | None, pytest_arguments: Sequence[str]
) -> int:
    node.enforce_policies(chosen or EgressFilter.BEFORE_DNAT)
    code = _run_tests(given, [str(FOLDER), *pytest_arguments])
    if code or chosen or pytest_arguments:
        return code
    node.enforce_policies(EgressFilter.AFTER_DNAT)
    return _run_tests(given, REPEATED_TESTS)


def _test_eks_profile(
    profile: str,
    node: LocalNode,
    given: dict[str, str],
    chosen: EgressFilter | None,
    pytest_arguments: Sequence[str],
) -> int:
    """Test a profile with one filter or both; the servers and their data stay the same."""
    remove_leftovers(node.kubeconfig)
    with tempfile.TemporaryDirectory(prefix="tenantry-e2e-") as state:
        servers = Servers.open(Path(state), profile)
        variables = given | {"TENANTRY_E2E_PROFILE": profile, "TENANTRY_E2E_SERVERS": state}
        with servers.run():
            for egress_filter in [chosen] if chosen else list(EgressFilter):
                print(f"Profile {profile}, egress filter {egress_filter}", flush=True)
                node.enforce_policies(egress_filter)
                if code := _run_tests(variables, [*EKS_TESTS, *pytest_arguments]):
                    return code
    return 0


def _run_tests(variables: dict[str, str], arguments: Sequence[str]) -> int:
    """Run pytest and return its exit code."""
    argv = [sys.executable, "-m", "pytest", "-rs", "--durations=10", *arguments]
    return subprocess.run(argv, env=os.environ | variables, check=False).returncode


def _load_images(provider: Kind | LocalNode) -> dict[str, str]:
    """Load all images that the cluster cannot pull and return their references by name."""
    first, *images = TENANTRY_IMAGES
    replaced = REPLACED_IMAGES if isinstance(provider, LocalNode) else ()
    images = [*replaced, STANDIN_IMAGE, *images]  # the largest first
    # The first build creates the base image and the layers that the other images share.
    references = {first.name: _load(provider, first)}
    with ThreadPoolExecutor(CONCURRENCY) as threads:
        loaded = threads.map(lambda image: _load(provider, image), images)
        references |= zip([image.name for image in images], loaded, strict=True)
    if replaced:
        references[REPLACED_BY_STANDINS] = references[STANDIN_IMAGE.name]
    return references


def _load(provider: Kind | LocalNode, image: Image) -> str:
    began = time.monotonic()
    name = provider.load(image)
    print(f"{time.monotonic() - began:6.1f} s  {name}", flush=True)
    return name


def _exit(number: int, frame: object) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _exit)  # as with Ctrl-C, a started cluster is stopped
    sys.exit(main(*sys.argv[1:]))
