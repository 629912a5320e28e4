"""Tests of the pages about the chart: their facts match the chart, and their commands work."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tenant_operator.parts.storage import retention

from tests.support.charts.rendering import PROFILES, render
from tests.support.charts.secrets import list_read_secrets
from tools.chart_schema import CHART

REPOSITORY = CHART.parents[1]
PAGES = [
    "install.md",
    "how-to/scale.md",
    "how-to/secrets.md",
    "how-to/upgrade.md",
    "how-to/monitor.md",
    "runbooks/alerts.md",
]

RECORDER = f"""#!{sys.executable}
import json, os, sys
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + "\\n")
print("arn:aws:iam::123456789012:policy/made")
"""


def read_page(name: str) -> str:
    """Return the text of a page."""
    return (REPOSITORY / "docs" / name).read_text()


def extract_commands(text: str, heading: str) -> str:
    """Return the shell commands under a heading."""
    part = text.partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", part, re.MULTILINE | re.DOTALL))


def test_the_page_of_secrets_names_all_secrets_of_all_profiles() -> None:
    named: set[tuple[str, str]] = set()
    secret = ""
    rows = re.findall(
        r"^\| (?:`([a-z0-9-]+)` )?\| `([a-z0-9.-]+)` \|", read_page("how-to/secrets.md"), re.MULTILINE
    )
    for name, key in rows:
        secret = name or secret
        named.add((secret, key))
    assert named == {each for profile in PROFILES for each in list_read_secrets(render(profile))}


def test_the_page_of_scaling_has_the_bounds_of_the_autoscalers() -> None:
    said = {
        value: tuple(int(number) for number in numbers.split("/"))
        for numbers, value in re.findall(
            r"\| (\d+ / \d+ / \d+) \| .* \| `([\w.-]+)` \|", read_page("how-to/scale.md")
        )
    }
    names = {
        "gateway.autoscaling": "gateway",
        "n8n.worker.autoscaling": "n8n-worker",
        "n8n.webhook.autoscaling": "n8n-webhook",
        "open-webui.autoscaling": "open-webui",
        "qdrant.autoscaling": "qdrant",
    }
    release = render("values-eks-prod.yaml")
    scalers = {value: release.get("HorizontalPodAutoscaler", name)["spec"] for value, name in names.items()}
    assert len(scalers) == len(release.list_objects("HorizontalPodAutoscaler"))
    assert {value: (least, most) for value, (least, _, most) in said.items()} == {
        value: (spec["minReplicas"], spec["maxReplicas"]) for value, spec in scalers.items()
    }


@pytest.mark.parametrize("name", PAGES)
def test_values_named_on_pages_exist(name: str) -> None:
    values: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    parts = "|".join(values)
    for path in re.findall(rf"`(?!monitoring\.coreos\.com)((?:{parts})(?:\.[\w-]+)+)", read_page(name)):
        found: Any = values
        for key in path.split("."):
            assert key in found, path
            found = found[key]


@pytest.mark.parametrize("name", PAGES)
def test_files_named_on_pages_exist(name: str) -> None:
    for path in re.findall(r"(?<![\w/.:-])((?:charts|infra|docs|tests|services)/[\w./-]+)", read_page(name)):
        # Paths of helm's -s are relative to the chart.
        assert (REPOSITORY / path).exists() or (CHART / path).exists(), path


def test_the_commands_create_all_roles_with_complete_policies(tmp_path: Path) -> None:
    for program in ("aws", "eksctl"):
        (tmp_path / program).write_text(RECORDER)
        (tmp_path / program).chmod(0o755)
    given = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "CLUSTER": "c",
        "REGION": "us-east-1",
        "ACCOUNT": "123456789012",
        "BUCKET": "the-documents",
        "FILES": "the-files",
    }
    script = extract_commands(read_page("install.md"), "2. Buckets and roles")
    subprocess.run(["bash", "-euc", script], cwd=REPOSITORY, env=given, check=True, stdout=subprocess.DEVNULL)
    calls = [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]
    documents = [
        call[call.index(option) + 1] for call in calls for option in call if option.endswith("-document")
    ]
    # One is for the local platform, and two are only in the stack of roles: eksctl creates the trust of pods.
    others = {"trust", "pod-trust", "boundary"}
    names = {file.stem for file in (REPOSITORY / "infra" / "iam").glob("*.json")}
    assert len(documents) == len(names - others)
    for document in documents:
        json.loads(document)
        assert set(re.findall(r"\$\{(.*?)\}", document)) <= {"aws:PrincipalTag/tenant"}
    roles = {call[call.index("--role-name") + 1] for call in calls if "--role-name" in call}
    profile = yaml.safe_load((CHART / "values-eks-prod.yaml").read_text())
    associated = {
        call[call.index("--service-account-name") + 1] for call in calls if "podidentityassociation" in call
    }
    assert associated == {
        f"tenantry-{name}" for name in ("operator", "gateway", "file-sync", "open-webui", "qdrant-snapshots")
    }
    assert roles == associated | {
        profile["global"]["aws"]["tenantRoleArn"].rpartition("/")[2],
        profile["gateway"]["modelRoleArn"].rpartition("/")[2],
        retention.ROLE,
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_no_profile_names_a_role_of_irsa(profile: str) -> None:
    assert "eks.amazonaws.com/role-arn" not in (CHART / profile).read_text()


def test_the_documented_values_for_irsa_annotate_a_service_account() -> None:
    (values,) = re.findall(
        r"```yaml\n(.*?)```", read_page("install.md").partition("\n### Roles through IRSA\n")[2], re.DOTALL
    )
    account = json.dumps(yaml.safe_load(values)["gateway"]["serviceAccount"])
    release = render("values-eks-prod.yaml", "--set-json", f"gateway.serviceAccount={account}")
    annotations = release.get("ServiceAccount", "gateway")["metadata"]["annotations"]
    assert annotations["eks.amazonaws.com/role-arn"].endswith(":role/tenantry-gateway")


def test_the_documented_command_renders_the_realm() -> None:
    script = extract_commands(read_page("install.md"), "4. Keycloak")
    asked_for = re.search(r"helm template tenantry \S+ -f \S+/(\S+) -s (\S+)", script)
    assert asked_for is not None
    options = re.findall(r"--set (\S+)", script)
    release = render(
        asked_for[1], "-s", asked_for[2], "--set", options[0].replace("$CHAT", "https://c.example")
    )
    realm = json.loads(release.list_objects("ConfigMap")[0]["data"]["realm.json"])
    placeholders = set(re.findall(r"\$\{(\w+)\}", json.dumps(realm)))
    assert placeholders == set(re.findall(r"\$(\w+_SECRET)", script))
    assert not [user for user in realm["users"] if "serviceAccountClientId" not in user]
    (client,) = [client for client in realm["clients"] if client["clientId"] == "open-webui"]
    assert client["redirectUris"] == ["https://c.example/oauth/oidc/callback"]
