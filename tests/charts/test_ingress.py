"""People reach Open WebUI and nothing else: through the AWS Load Balancer Controller, or any other."""

import pytest

from tests.support.charts import Refused, Release, render

PRODUCTION = "values-eks-prod.yaml"
ALB = "alb.ingress.kubernetes.io/"
PLAIN = (
    "--set", "ingress.enabled=true,ingress.className=contour,ingress.tlsSecret=chat-tls",
    "--set", "global.openWebui.url=https://chat.example.com",
)  # fmt: skip


@pytest.fixture(scope="module")
def release() -> Release:
    """The chart as it is for production."""
    return render(PRODUCTION)


def attributes(release: Release, name: str) -> dict[str, str]:
    """Return what one of ALB's annotations lists."""
    listed = release.get("Ingress", "open-webui")["metadata"]["annotations"][ALB + name]
    return dict(entry.split("=") for entry in listed.split(","))


@pytest.mark.parametrize("options", [(PRODUCTION,), ("values-kind.yaml", *PLAIN)])
def test_people_reach_open_webui_under_its_address_and_nothing_else(options: tuple[str, ...]) -> None:
    release = render(*options)
    (ingress,) = release.of("Ingress")
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (rule["host"], path["path"]) == ("chat.example.com", "/")
    service = release.get("Service", path["backend"]["service"]["name"].removeprefix("demo-"))
    assert path["backend"]["service"]["port"]["name"] in [port["name"] for port in service["spec"]["ports"]]
    assert {item["spec"].get("type", "ClusterIP") for item in release.of("Service")} == {"ClusterIP"}


def test_on_aws_it_is_https_with_tls_1_3_alone(release: Release) -> None:
    annotations = release.get("Ingress", "open-webui")["metadata"]["annotations"]
    assert annotations[ALB + "listen-ports"] == '[{"HTTPS": 443}]'
    assert annotations[ALB + "ssl-policy"] == "ELBSecurityPolicy-TLS13-1-3-2021-06"


def test_a_browser_stays_with_its_pod_and_may_wait_for_an_answer(release: Release) -> None:
    assert attributes(release, "target-group-attributes")["stickiness.enabled"] == "true"
    assert int(attributes(release, "load-balancer-attributes")["idle_timeout.timeout_seconds"]) > 90


def test_a_pod_is_asked_what_the_kubelet_asks_it(release: Release) -> None:
    (container,) = release.get("Deployment", "open-webui")["spec"]["template"]["spec"]["containers"]
    annotations = release.get("Ingress", "open-webui")["metadata"]["annotations"]
    assert annotations[ALB + "healthcheck-path"] == container["readinessProbe"]["httpGet"]["path"]
    assert annotations[ALB + "target-type"] == "ip"


def test_in_production_nobody_comes_but_through_cloudfront_and_the_firewall(release: Release) -> None:
    annotations = release.get("Ingress", "open-webui")["metadata"]["annotations"]
    assert annotations[ALB + "security-group-prefix-lists"].startswith("pl-")
    assert ALB + "inbound-cidrs" not in annotations
    assert annotations[ALB + "wafv2-acl-arn"].startswith("arn:aws:wafv2:")


def test_another_controller_is_told_nothing_of_aws() -> None:
    ingress = render("values-kind.yaml", *PLAIN, "--set", "ingress.annotations.a=b").get(
        "Ingress", "open-webui"
    )
    assert ingress["metadata"]["annotations"] == {"a": "b"}
    assert ingress["spec"]["ingressClassName"] == "contour"
    assert ingress["spec"]["tls"] == [{"hosts": ["chat.example.com"], "secretName": "chat-tls"}]


def test_in_kind_there_is_none_until_it_is_asked_for() -> None:
    assert not render("values-kind.yaml").of("Ingress")
    with pytest.raises(Refused, match="/global/openWebui/url"):
        render("values-kind.yaml", "--set", "ingress.enabled=true")
