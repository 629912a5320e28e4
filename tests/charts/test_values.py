"""Tests of values that the schema accepts and refuses."""

import pytest
import yaml

from tests.support.charts.rendering import PROFILES, HelmError, lint, render
from tools.chart_schema import CHART

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize("profile", PROFILES)
def test_helm_lints_each_profile(profile: str) -> None:
    assert "0 chart(s) failed" in lint(profile)


@pytest.mark.parametrize(
    ("option", "path"),
    [
        ("gatewy.image.tag=1", "gatewy"),
        ("gateway.autoscaling.maximum=3", "/gateway/autoscaling"),
        ("gateway.autoscaling.maxReplicas=0", "/gateway/autoscaling/maxReplicas"),
        ("gateway.resources.requests.memory=2GB", "/gateway/resources/requests/memory"),
        ("gateway.settings.GATEWAY_CHAT_MODELL=x", "/gateway/settings"),
        ("gateway.settings.GATEWAY_HOST=x", "/gateway/settings"),
        ("file-sync.replicas=two", "/file-sync/replicas"),
        ("n8n.enabled=false", "open-webui.orchestrator"),
        ("open-webui.enabled=false", "global.openWebui.adminEmail"),
        ("open-webui.enabled=false", "open-webui.enabled is false, so requests have no target"),
        ("operator.image.pullPolicy=always", "/operator/image/pullPolicy"),
        ("global.aws.tenantRoleArn=tenantry-tenant", "/global/aws/tenantRoleArn"),
        ("global.keycloak.url=https://login.example.com/", "/global/keycloak/url"),
        ("monitoring.interval=often", "/monitoring/interval"),
        ("monitoring.docsUrl=https://docs.example.com/", "/monitoring/docsUrl"),
        ("global.network.postgres.cidrs={10.0.20.0}", "/global/network/postgres/cidrs/0"),
    ],
)
def test_a_wrong_value_is_refused_with_its_path(option: str, path: str) -> None:
    with pytest.raises(HelmError) as refusal:
        render("values-eks-prod.yaml", "--set", option)
    assert path in str(refusal.value)


@pytest.mark.parametrize(
    "path",
    [
        "global.aws.documentsBucket",
        "global.aws.filesBucket",
        "global.aws.tenantRoleArn",
        "global.keycloak.url",
        "gateway.modelRoleArn",
    ],
)
def test_required_values_are_enforced(path: str) -> None:
    with pytest.raises(HelmError) as refusal:
        render("values-eks-prod.yaml", "--set", f"{path}=")
    assert path in str(refusal.value).replace("/", ".")


def test_a_digest_is_part_of_the_image() -> None:
    release = render(
        "values-eks-prod.yaml", "--set", f"gateway.image.tag=1.2.3,gateway.image.digest={DIGEST}"
    )
    (container,) = release.get("Deployment", "gateway")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"tenantry/gateway:1.2.3@{DIGEST}"


def test_only_the_tested_version_has_the_charts_digest() -> None:
    tested, other = (
        render("values-eks-prod.yaml", *options).get("StatefulSet", "qdrant")["spec"]["template"]["spec"]
        for options in ((), ("--set", "qdrant.image.tag=v9-unprivileged"))
    )
    chart = yaml.safe_load((CHART / "charts" / "qdrant" / "Chart.yaml").read_text())
    digest = chart["annotations"]["tenantry.io/image-digest"]
    assert tested["containers"][0]["image"] == f"qdrant/qdrant:{chart['appVersion']}@{digest}"
    assert other["containers"][0]["image"] == "qdrant/qdrant:v9-unprivileged"
