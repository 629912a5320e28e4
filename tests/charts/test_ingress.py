"""Tests of the Ingress: it exposes only Open WebUI, with the AWS Load Balancer Controller or another."""

import json

import pytest
from gateway.settings import GatewaySettings

from tests.support.charts.rendering import HelmError, Release, render

PRODUCTION = "values-eks-prod.yaml"
ALB = "alb.ingress.kubernetes.io/"
PLAIN = (
    "--set", "ingress.enabled=true,ingress.className=contour,ingress.tlsSecret=chat-tls",
    "--set", "global.openWebui.url=https://chat.example.com",
)  # fmt: skip


@pytest.fixture(scope="module")
def release() -> Release:
    """The chart with the production profile."""
    return render(PRODUCTION)


def parse_attributes(release: Release, name: str) -> dict[str, str]:
    """Return the attributes in one of the ALB annotations."""
    listed = release.get("Ingress", "open-webui")["metadata"]["annotations"][ALB + name]
    return dict(entry.split("=") for entry in listed.split(","))


@pytest.mark.parametrize("options", [(PRODUCTION,), ("values-kind.yaml", *PLAIN)])
def test_only_open_webui_is_exposed_under_its_url(options: tuple[str, ...]) -> None:
    release = render(*options)
    (ingress,) = release.list_objects("Ingress")
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (rule["host"], path["path"]) == ("chat.example.com", "/")
    service = release.get("Service", path["backend"]["service"]["name"].removeprefix("demo-"))
    assert path["backend"]["service"]["port"]["name"] in [port["name"] for port in service["spec"]["ports"]]
    assert {item["spec"].get("type", "ClusterIP") for item in release.list_objects("Service")} == {
        "ClusterIP"
    }


def test_on_aws_only_https_with_tls_1_3_is_allowed(release: Release) -> None:
    annotations = release.get("Ingress", "open-webui")["metadata"]["annotations"]
    assert annotations[ALB + "listen-ports"] == '[{"HTTPS": 443}]'
    assert annotations[ALB + "ssl-policy"] == "ELBSecurityPolicy-TLS13-1-3-2021-06"


def test_the_load_balancer_waits_for_an_answer_and_for_those_of_a_pod_that_stops(release: Release) -> None:
    deadline = GatewaySettings.model_fields["request_timeout_seconds"].default
    balancer = parse_attributes(release, "load-balancer-attributes")
    pods = parse_attributes(release, "target-group-attributes")
    assert int(balancer["idle_timeout.timeout_seconds"]) > deadline
    assert int(pods["deregistration_delay.timeout_seconds"]) > deadline


def test_no_browser_sticks_to_a_pod_because_that_defeats_the_weights_of_a_rollout(release: Release) -> None:
    assert parse_attributes(release, "target-group-attributes")["stickiness.enabled"] == "false"


def test_the_load_balancer_checks_the_path_of_the_readiness_probe(release: Release) -> None:
    (container,) = release.get("Deployment", "open-webui")["spec"]["template"]["spec"]["containers"]
    annotations = release.get("Ingress", "open-webui")["metadata"]["annotations"]
    assert annotations[ALB + "healthcheck-path"] == container["readinessProbe"]["httpGet"]["path"]
    assert annotations[ALB + "target-type"] == "ip"


def test_in_production_requests_arrive_only_through_cloudfront_and_the_waf(release: Release) -> None:
    annotations = release.get("Ingress", "open-webui")["metadata"]["annotations"]
    assert annotations[ALB + "security-group-prefix-lists"].startswith("pl-")
    assert ALB + "inbound-cidrs" not in annotations
    assert annotations[ALB + "wafv2-acl-arn"].startswith("arn:aws:wafv2:")


def test_another_controller_gets_no_aws_annotations() -> None:
    ingress = render("values-kind.yaml", *PLAIN, "--set", "ingress.annotations.a=b").get(
        "Ingress", "open-webui"
    )
    assert ingress["metadata"]["annotations"] == {"a": "b"}
    assert ingress["spec"]["ingressClassName"] == "contour"
    assert ingress["spec"]["tls"] == [{"hosts": ["chat.example.com"], "secretName": "chat-tls"}]


def test_kind_has_no_ingress_by_default() -> None:
    assert not render("values-kind.yaml").list_objects("Ingress")
    with pytest.raises(HelmError, match=r"global\.openWebui\.url is empty"):
        render("values-kind.yaml", "--set", "ingress.enabled=true")


@pytest.mark.parametrize("value", ["[]", "null"])
def test_a_load_balancer_without_allowed_addresses_is_refused(value: str) -> None:
    none = ("--set-json", f"ingress.alb.inboundCidrs={value}")
    with pytest.raises(HelmError, match=r"inboundCidrs and ingress\.alb\.prefixLists are both empty"):
        render(PRODUCTION, *none, "--set-json", f"ingress.alb.prefixLists={value}")
    annotations = render(PRODUCTION, *none).get("Ingress", "open-webui")["metadata"]["annotations"]
    assert ALB + "inbound-cidrs" not in annotations


@pytest.mark.parametrize("lists", [[], ["--set-json", "ingress.alb.prefixLists=[]"]])
def test_no_annotation_of_the_chart_can_be_replaced(lists: list[str]) -> None:
    """Also one that a later version of the chart adds."""
    own = render(PRODUCTION, *lists).get("Ingress", "open-webui")["metadata"]["annotations"]
    assert len(own) > 10
    with pytest.raises(HelmError) as refusal:
        render(PRODUCTION, *lists, "--set-json", f"ingress.annotations={json.dumps(own)}")
    said = str(refusal.value)
    assert [name for name in own if f"ingress.annotations has {name}" not in said] == []


def test_additional_attributes_of_the_load_balancer_are_next_to_those_of_the_chart(release: Release) -> None:
    name = f"{ALB}load-balancer-attributes"
    added = ("--set-json", f"ingress.annotations={json.dumps({name: 'access_logs.s3.enabled=true'})}")
    both = render(PRODUCTION, *added).get("Ingress", "open-webui")["metadata"]["annotations"]
    own = release.get("Ingress", "open-webui")["metadata"]["annotations"]
    assert both == own | {name: f"{own[name]},access_logs.s3.enabled=true"}


def test_own_security_groups_replace_the_lists_of_addresses() -> None:
    groups = {f"{ALB}security-groups": "sg-1"}
    options = [f"ingress.annotations={json.dumps(groups)}", "ingress.alb.inboundCidrs=[]"]
    options.append("ingress.alb.prefixLists=[]")
    words = [word for option in options for word in ("--set-json", option)]
    annotations = render(PRODUCTION, *words).get("Ingress", "open-webui")["metadata"]["annotations"]
    assert annotations[f"{ALB}security-groups"] == "sg-1"
    assert f"{ALB}inbound-cidrs" not in annotations
