"""Tests that the chart accepts the values of ``make aws-values``, and that they connect it to the stacks."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from tenantry_infra.chart_values import EXAMPLE, build_values, list_unset
from tenantry_infra.environment import EdgeSettings, Environment, find_environment

from tests.support.charts.rendering import Release, render
from tests.unit.tenantry_infra.test_chart_values import OUTPUTS

HOST = "chat.example.org"
PROFILES = {
    "dev": "values-eks-dev.yaml",
    "small": "values-eks-small.yaml",
    "staging": "values-eks-staging.yaml",
    "prod": "values-eks-prod.yaml",
}

SETTINGS = {
    "global.keycloak.url": "https://login.tenantry.org",
    "global.openWebui.url": "https://chat.tenantry.org",
    "global.network.redis.cidrs": ["10.0.30.0/24"],
    "ingress.alb.inboundCidrs": ["0.0.0.0/0"],
    "ingress.alb.webAclArn": "",
    "n8n.redis.host": "redis.tenantry.org",
}
"""Values that a person sets."""


def render_environment(
    folder: Path, name: str, *, outputs: Mapping[str, Mapping[str, str]], host: str
) -> Release:
    """Render the profile of an environment with the values of its stacks."""
    environment = Environment.load(find_environment(name))
    if host:
        edge = EdgeSettings(host=host, hosted_zone_id="Z0123456789ABCDEFGHIJ")
        environment = environment.model_copy(update={"edge": edge})
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(build_values(environment, outputs)))
    return render(PROFILES[name], "-f", str(file))


@pytest.mark.parametrize("name", PROFILES)
def test_the_load_balancer_of_the_stacks_reaches_open_webui(tmp_path: Path, name: str) -> None:
    release = render_environment(tmp_path, name, outputs=OUTPUTS, host=HOST)
    binding = release.get("TargetGroupBinding", "open-webui")["spec"]
    assert binding["targetGroupARN"] == OUTPUTS["edge"]["TargetGroupArn"]
    assert release.list_objects("Ingress", "HTTPRoute") == []
    (rule,) = [
        rule
        for rule in release.get("NetworkPolicy", "open-webui")["spec"]["ingress"]
        if any("ipBlock" in peer for peer in rule["from"])
    ]
    assert [port["port"] for port in rule["ports"]] == [8080]
    cidrs = [peer["ipBlock"]["cidr"] for peer in rule["from"] if "ipBlock" in peer]
    assert cidrs == OUTPUTS["network"]["PublicCidrs"].split(",")


@pytest.mark.parametrize("name", PROFILES)
def test_open_webui_knows_the_host_of_cloudfront(tmp_path: Path, name: str) -> None:
    release = render_environment(tmp_path, name, outputs=OUTPUTS, host=HOST)
    (container,) = release.get("Deployment", "open-webui")["spec"]["template"]["spec"]["containers"]
    env = {each["name"]: each.get("value") for each in container["env"]}
    assert env["WEBUI_URL"] == env["CORS_ALLOW_ORIGIN"] == f"https://{HOST}"
    assert env["OPENID_REDIRECT_URI"] == f"https://{HOST}/oauth/oidc/callback"


@pytest.mark.parametrize("name", PROFILES)
def test_without_a_host_the_profile_exposes_open_webui_itself(tmp_path: Path, name: str) -> None:
    outputs = {stack: values for stack, values in OUTPUTS.items() if stack != "edge"}
    prefix_list = (
        Environment.load(find_environment(name)).parameters["network"].get("LoadBalancerPrefixList", "")
    )
    outputs["network"] = {**OUTPUTS["network"], "LoadBalancerPrefixList": prefix_list}
    release = render_environment(tmp_path, name, outputs=outputs, host="")
    assert release.list_objects("TargetGroupBinding") == []
    ingress = render(PROFILES[name]).list_objects("Ingress")
    assert len(release.list_objects("Ingress")) == len(ingress)


@pytest.mark.parametrize("cache", [True, False], ids=["cache", "no-cache"])
@pytest.mark.parametrize("host", ["chat.tenantry.org", ""], ids=["edge", "no-edge"])
@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
@pytest.mark.parametrize("name", PROFILES)
def test_no_example_of_a_profile_remains_unlisted(
    tmp_path: Path, name: str, region: str, host: str, cache: bool
) -> None:
    environment = Environment.load(find_environment(name))
    data = {**environment.parameters["data"], "Cache": str(cache).lower()}
    edge = EdgeSettings(host=host, hosted_zone_id="Z0123456789ABCDEFGHIJ") if host else None
    environment = environment.model_copy(
        update={"region": region, "edge": edge, "parameters": {**environment.parameters, "data": data}}
    )
    outputs = {
        stack: {key: value.replace("us-east-1", region) for key, value in values.items()}
        for stack, values in OUTPUTS.items()
        if host or stack != "edge"
    }
    if not host:
        outputs["network"]["LoadBalancerPrefixList"] = ""
    if not cache:
        del outputs["data"]["CacheHost"]
    values = build_values(environment, outputs)
    for path in list_unset(environment, values):
        *parents, last = path.split(".")
        node = values
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = SETTINGS[path]
    if region != "us-east-1":
        # The chart refuses the default in other geographies.
        values["gateway"]["settings"] = {"GATEWAY_CHAT_MODEL": "eu.anthropic.claude-sonnet-4-6"}
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    release = render(PROFILES[name], "-f", str(file))
    objects = [each for each in release.objects if each["kind"] != "CustomResourceDefinition"]
    lines = yaml.safe_dump_all(objects).replace("@tenantry.example", "").splitlines()
    assert sorted({line.strip() for line in lines if EXAMPLE.search(line)}) == []
