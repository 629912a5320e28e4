"""Tests of ways to Open WebUI besides the Ingress: the Gateway API, and an existing target group."""

import json

import pytest

from tests.support.charts.rendering import HelmError, Release, render

KIND = "values-kind.yaml"
URL = ("--set", "global.openWebui.url=https://chat.example.com")
PARENTS = [{"name": "public", "namespace": "gateways", "sectionName": "https"}]
ROUTE = (*URL, "--set", "httpRoute.enabled=true", "--set-json", f"httpRoute.parentRefs={json.dumps(PARENTS)}")
ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/tenantry/0123456789abcdef"
BINDING = (*URL, "--set", f"targetGroupBinding.enabled=true,targetGroupBinding.targetGroupArn={ARN}")

EXPOSING = {"Ingress", "HTTPRoute", "TargetGroupBinding"}


def list_exposed(release: Release) -> list[str]:
    """Return the kinds of the objects that make a Service reachable from outside."""
    return [item["kind"] for item in release.objects if item["kind"] in EXPOSING]


def test_a_route_of_the_gateway_api_leads_to_open_webui() -> None:
    release = render(KIND, *ROUTE, "--set", "httpRoute.annotations.a=b")
    assert list_exposed(release) == ["HTTPRoute"]
    route = release.get("HTTPRoute", "open-webui")
    assert route["apiVersion"] == "gateway.networking.k8s.io/v1"
    assert route["metadata"]["annotations"] == {"a": "b"}
    assert route["spec"]["parentRefs"] == PARENTS
    assert route["spec"]["hostnames"] == ["chat.example.com"]
    (rule,) = route["spec"]["rules"]
    (port,) = release.get("Service", "open-webui")["spec"]["ports"]
    assert rule["backendRefs"] == [{"name": "demo-open-webui", "port": port["port"]}]


def test_a_route_has_no_request_timeout_because_answers_take_minutes() -> None:
    (rule,) = render(KIND, *ROUTE).get("HTTPRoute", "open-webui")["spec"]["rules"]
    assert rule["timeouts"] == {"request": "0s"}


def test_an_existing_target_group_gets_the_pods_of_open_webui() -> None:
    release = render(KIND, *BINDING)
    assert list_exposed(release) == ["TargetGroupBinding"]
    binding = release.get("TargetGroupBinding", "open-webui")
    assert binding["apiVersion"] == "elbv2.k8s.aws/v1beta1"
    assert binding["spec"] == {
        "targetGroupARN": ARN,
        "targetType": "ip",
        "serviceRef": {"name": "demo-open-webui", "port": "http"},
    }


def test_the_controller_opens_the_pods_port_to_given_security_groups() -> None:
    release = render(
        KIND, *BINDING, "--set", "targetGroupBinding.securityGroups={sg-0123456789abcdef0,sg-01234567}"
    )
    (container,) = release.get("Deployment", "open-webui")["spec"]["template"]["spec"]["containers"]
    (port,) = [each for each in container["ports"] if each["name"] == "http"]
    assert release.get("TargetGroupBinding", "open-webui")["spec"]["networking"] == {
        "ingress": [
            {
                "from": [
                    {"securityGroup": {"groupID": name}} for name in ("sg-0123456789abcdef0", "sg-01234567")
                ],
                "ports": [{"protocol": "TCP", "port": port["containerPort"]}],
            }
        ]
    }


def test_all_ways_lead_to_open_webui_during_a_change_between_them() -> None:
    release = render("values-eks-prod.yaml", *ROUTE, *BINDING)
    assert sorted(list_exposed(release)) == sorted(EXPOSING)


@pytest.mark.parametrize("options", [ROUTE, BINDING])
def test_only_the_load_balancers_addresses_reach_open_webui(options: tuple[str, ...]) -> None:
    policies = [
        render(KIND, *each).get("NetworkPolicy", "open-webui")["spec"]["ingress"] for each in (URL, options)
    ]
    assert policies[0] == policies[1]
    assert {"ipBlock": {"cidr": "10.244.0.0/16"}} in [peer for rule in policies[1] for peer in rule["from"]]


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ((*ROUTE, "--set", "global.openWebui.url="), "global.openWebui.url is empty"),
        ((*URL, "--set", "httpRoute.enabled=true"), "httpRoute.parentRefs is empty"),
        (
            (*URL, "--set", "httpRoute.enabled=true,httpRoute.parentRefs[0].namespace=x"),
            "/httpRoute/parentRefs",
        ),
        ((*BINDING, "--set", "global.openWebui.url="), "global.openWebui.url is empty"),
        ((*URL, "--set", "targetGroupBinding.enabled=true"), "targetGroupBinding.targetGroupArn is empty"),
        (
            (*BINDING, "--set", "targetGroupBinding.targetGroupArn=tenantry"),
            "/targetGroupBinding/targetGroupArn",
        ),
        (
            (*BINDING, "--set", "targetGroupBinding.securityGroups={default}"),
            "/targetGroupBinding/securityGroups",
        ),
        (
            (*ROUTE, "--set", "open-webui.enabled=false,global.openWebui.adminEmail="),
            "open-webui.enabled is false",
        ),
        (
            (*BINDING, "--set", "open-webui.enabled=false,global.openWebui.adminEmail="),
            "open-webui.enabled is false",
        ),
    ],
)
def test_an_incomplete_way_is_refused(options: tuple[str, ...], path: str) -> None:
    with pytest.raises(HelmError, match=path):
        render(KIND, *options)
