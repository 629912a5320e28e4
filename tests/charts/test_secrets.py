"""Tests of Secrets: the chart creates none, but can configure External Secrets or the CSI driver."""

import re
from typing import Any

import jmespath  # type: ignore[import-untyped]
import pytest
import yaml

from tests.support.charts.rendering import PROFILES, RELEASE, HelmError, Release, render
from tests.support.charts.secrets import list_pod_secrets, list_read_secrets
from tools.chart_schema import CHART

WITH = ("--set", "externalSecrets.enabled=true,externalSecrets.store.name=aws")
PAGE = CHART.parents[1] / "docs" / "how-to" / "secrets.md"
CSI = ("--set", "global.secretsStore.enabled=true")
CHOICES = (
    "crds.install=true",  # the default is neither source
    "n8n.enabled=false,open-webui.orchestrator=direct",
    "open-webui.enabled=false,global.openWebui.adminEmail=,ingress.enabled=false",
    "file-sync.enabled=false",
    "gateway.existingSecret=another",
    "keycloak.demo=false",
)


@pytest.mark.parametrize(
    "options", [WITH, (*WITH, "--set", "n8n.enabled=false,open-webui.orchestrator=direct")]
)
@pytest.mark.parametrize("profile", PROFILES)
def test_there_is_an_external_secret_for_each_secret_that_pods_read(
    profile: str, options: tuple[str, ...]
) -> None:
    release = render(profile, *options)
    made = [item["spec"]["target"]["name"] for item in release.list_objects("ExternalSecret")]
    assert sorted(made) == sorted({name for name, _ in list_read_secrets(release)})


def test_a_secret_comes_from_one_entry_of_the_store() -> None:
    (secret,) = (
        item["spec"]
        for item in render(PROFILES[0], *WITH).list_objects("ExternalSecret")
        if item["metadata"]["name"] == "tenantry-gateway"
    )
    assert secret["dataFrom"] == [{"extract": {"key": "tenantry/tenantry-gateway"}}]
    assert secret["secretStoreRef"] == {"kind": "ClusterSecretStore", "name": "aws"}


def test_a_secret_with_another_name_is_created_under_that_name() -> None:
    release = render(PROFILES[0], *WITH, "--set", "gateway.existingSecret=another")
    names = [item["metadata"]["name"] for item in release.list_objects("ExternalSecret")]
    assert "another" in names
    assert "tenantry-gateway" not in names


@pytest.mark.parametrize("profile", PROFILES)
def test_by_default_no_secret_is_created(profile: str) -> None:
    release = render(profile)
    assert not release.list_objects("ExternalSecret", "SecretProviderClass", "Secret")
    assert not [
        volume
        for _, pod in release.iter_pods()
        for volume in pod["spec"].get("volumes", [])
        if "csi" in volume
    ]


def test_the_name_of_the_store_is_required() -> None:
    with pytest.raises(HelmError, match=r"externalSecrets\.store\.name is empty"):
        render(PROFILES[0], "--set", "externalSecrets.enabled=true")


def list_created_keys(release: Release) -> dict[str, set[tuple[str, str]]]:
    """Return the Secrets and keys that the CSI driver creates, by SecretProviderClass.

    The AWS provider writes a file for each JMESPath; the driver creates a key from each file.
    """
    return {
        item["metadata"]["name"]: {
            (secret["secretName"], data["key"])
            for secret in item["spec"]["secretObjects"]
            for data in secret["data"]
            if _list_files(item["spec"]["parameters"], data["key"]).get(data["objectName"]) == "its value"
        }
        for item in release.list_objects("SecretProviderClass")
    }


def _list_files(parameters: dict[str, str], key: str) -> dict[str, Any]:
    """Return the content of each file if only one key has a value."""
    (entry,) = yaml.safe_load(parameters["objects"])
    assert entry["objectType"] == "secretsmanager"
    return {
        path["objectAlias"]: jmespath.search(path["path"], {key: "its value"}) for path in entry["jmesPath"]
    }


def list_mounted_classes(spec: dict[str, Any]) -> set[str]:
    """Return the SecretProviderClasses of a pod whose volumes a container mounts."""
    containers = spec["containers"] + spec.get("initContainers", [])
    mounts = {
        mount["name"]
        for each in containers
        for mount in each.get("volumeMounts", [])
        if mount.get("readOnly")
    }
    return {
        volume["csi"]["volumeAttributes"]["secretProviderClass"]
        for volume in spec.get("volumes", [])
        if volume.get("csi", {}).get("driver") == "secrets-store.csi.k8s.io" and volume["name"] in mounts
    }


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("profile", PROFILES)
def test_each_key_that_a_pod_reads_is_created_by_a_volume_that_it_mounts(profile: str, choice: str) -> None:
    release = render(profile, *CSI, "--set", choice)
    keys = list_created_keys(release)
    for name, pod in release.iter_pods():
        volumes = list_mounted_classes(pod["spec"])
        asked_for = list_pod_secrets(pod["spec"])
        missing = asked_for - {each for volume in volumes for each in keys[volume]}
        assert not missing, name
        assert volumes == {secret for secret, _ in asked_for}, name  # and no other Secret
    # The provider fails if a listed key is missing, so no unread key is listed.
    assert {each for secret in keys.values() for each in secret} == list_read_secrets(release)


def test_the_page_of_secrets_lists_the_entries_of_each_account() -> None:
    table = PAGE.read_text().partition("| ServiceAccounts, ")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| ([a-z0-9, -]+) \| (`.*`) \|$", table, re.MULTILINE)
    documented = {
        account: set(re.findall(r"`([\w-]+)`", entries))
        for accounts, entries in rows
        for account in accounts.split(", ")
    }
    read: dict[str, set[str]] = {}
    for _, pod in render("values-eks-prod.yaml", *CSI).iter_pods():
        account = pod["spec"]["serviceAccountName"].removeprefix(f"{RELEASE}-")
        read.setdefault(account, set()).update(list_mounted_classes(pod["spec"]))
    assert documented == {account: entries for account, entries in read.items() if entries}


def test_the_csi_driver_gets_region_and_entry_name() -> None:
    (found,) = (
        item["spec"]
        for item in render(PROFILES[0], *CSI, "--set", "global.secretsStore.prefix=dev/").list_objects(
            "SecretProviderClass"
        )
        if item["metadata"]["name"] == "tenantry-gateway"
    )
    (entry,) = yaml.safe_load(found["parameters"]["objects"])
    assert entry["objectName"] == "dev/tenantry-gateway"
    assert (found["provider"], found["parameters"]["region"]) == ("aws", "us-east-1")


def test_external_secrets_and_secrets_store_together_are_refused() -> None:
    with pytest.raises(HelmError, match=r"global\.secretsStore\.enabled are both true"):
        render(PROFILES[0], *WITH, *CSI)
