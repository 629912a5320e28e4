"""Tests of the way from browsers to Open WebUI that the emulator does not show, in the templates."""

import re
from typing import Any

import pytest
from gateway.settings import GatewaySettings
from tenantry_infra.stacks import STACKS, Stack
from tenantry_local.parts.open_webui import GUARD

from tools.version import REPOSITORY


def get_stack(name: str) -> Stack:
    (stack,) = (stack for stack in STACKS if stack.name == name)
    return stack


def get_properties(stack: str, resource: str) -> Any:
    return get_stack(stack).template.document["Resources"][resource]["Properties"]


def get_attribute(resource: str, attributes: str, key: str) -> Any:
    (value,) = [each["Value"] for each in get_properties("edge", resource)[attributes] if each["Key"] == key]
    return value


DISTRIBUTION = get_properties("edge-global", "Distribution")["DistributionConfig"]
(ORIGIN,) = DISTRIBUTION["Origins"]


def test_no_proxy_gives_up_before_the_gateways_deadline() -> None:
    deadline = GatewaySettings.model_fields["request_timeout_seconds"].default
    cloudfront = ORIGIN["CustomOriginConfig"]["OriginReadTimeout"]
    load_balancer = int(
        get_attribute("LoadBalancer", "LoadBalancerAttributes", "idle_timeout.timeout_seconds")
    )
    assert deadline < cloudfront, "CloudFront would cut an answer"
    assert cloudfront <= 120, "CloudFront's limit without a request to AWS"
    assert cloudfront < load_balancer, "the load balancer would close a connection that CloudFront still uses"


def test_a_pod_that_stops_finishes_its_answers() -> None:
    deadline = GatewaySettings.model_fields["request_timeout_seconds"].default
    delay = get_attribute("OpenWebui", "TargetGroupAttributes", "deregistration_delay.timeout_seconds")
    assert int(delay) > deadline


def test_open_webui_keeps_idle_connections_longer_than_the_load_balancer() -> None:
    """If Open WebUI closes a connection while a request arrives on it, the load balancer answers 502."""
    (keep_alive,) = re.findall(r"^KEEP_ALIVE_SECONDS = (\d+)$", GUARD.read_text(), re.MULTILINE)
    idle = get_attribute("LoadBalancer", "LoadBalancerAttributes", "idle_timeout.timeout_seconds")
    ingress = (REPOSITORY / "charts" / "tenantry" / "templates" / "ingress.yaml").read_text()
    (annotation,) = re.findall(r"idle_timeout\.timeout_seconds=(\d+)", ingress)
    assert int(keep_alive) > int(idle) == int(annotation)


@pytest.mark.parametrize("resource", ["LoadBalancer", "OpenWebui"])
def test_names_fit_for_every_environment(resource: str) -> None:
    name = get_properties("edge", resource)["Name"]["Fn::Sub"].replace("${Environment}", "e" * 16)
    assert len(name) <= 32


@pytest.mark.parametrize("stack", ["edge", "edge-global"])
def test_acm_proves_the_host_in_its_hosted_zone(stack: str) -> None:
    certificate = get_properties(stack, "Certificate")
    assert certificate["ValidationMethod"] == "DNS"
    assert certificate["DomainValidationOptions"] == [
        {"DomainName": {"Ref": "Host"}, "HostedZoneId": {"Ref": "HostedZoneId"}}
    ]


@pytest.mark.parametrize("stack", ["edge", "edge-global"])
def test_an_existing_certificate_replaces_the_requested_one(stack: str) -> None:
    template = get_stack(stack).template
    arn = "arn:aws:acm:us-east-1:111122223333:certificate/1"
    values = {"OriginHeader": "a"}
    assert "Certificate" in template.list_resources(values)
    assert "Certificate" not in template.list_resources({**values, "CertificateArn": arn})


def test_cloudfronts_certificate_is_in_its_region() -> None:
    parameter = get_stack("edge-global").template.parameters["CertificateArn"]
    assert parameter.find_fault("arn:aws:acm:eu-west-1:111122223333:certificate/1")


@pytest.mark.parametrize(
    ("header", "secrets"),
    [("a", {"OriginHeaderA"}), ("b", {"OriginHeaderB"}), ("b,a", {"OriginHeaderA", "OriginHeaderB"})],
)
def test_an_unused_header_is_deleted(header: str, secrets: set[str]) -> None:
    """Its next use generates another value, which completes a rotation."""
    resources = get_stack("edge").template.list_resources({"OriginHeader": header})
    assert {
        name for name, each in resources.items() if each["Type"] == "AWS::SecretsManager::Secret"
    } == secrets


@pytest.mark.parametrize("secret", ["OriginHeaderA", "OriginHeaderB"])
def test_a_generated_header_has_no_wildcard(secret: str) -> None:
    """The load balancer reads ``*`` and ``?`` as patterns, and accepts 128 characters."""
    generated = get_properties("edge", secret)["GenerateSecretString"]
    assert generated == {"PasswordLength": 64, "ExcludePunctuation": True}


def test_the_copy_of_the_header_is_in_cloudfronts_region() -> None:
    for secret in ("OriginHeaderA", "OriginHeaderB"):
        assert get_properties("edge", secret)["ReplicaRegions"] == {
            "Fn::If": ["IsGlobalRegion", {"Ref": "AWS::NoValue"}, [{"Region": "us-east-1"}]]
        }


def test_access_logs_are_written_where_the_buckets_policy_allows_it() -> None:
    policy = get_properties("storage", "LogsPolicy")["PolicyDocument"]["Statement"]
    written = {
        each["Principal"]["Service"]: each["Resource"]["Fn::Sub"]
        for each in policy
        if each["Effect"] == "Allow"
    }
    prefix = get_attribute("LoadBalancer", "LoadBalancerAttributes", "access_logs.s3.prefix")
    assert written["logdelivery.elasticloadbalancing.amazonaws.com"] == (
        f"${{Logs.Arn}}/{prefix}/AWSLogs/${{AWS::AccountId}}/*"
    )
    assert written["delivery.logs.amazonaws.com"] == "${Logs.Arn}/AWSLogs/${AWS::AccountId}/CloudFront/*"


def test_the_viewers_address_overwrites_what_a_client_sent() -> None:
    code = get_properties("edge-global", "ViewerAddress")["FunctionCode"]
    assert "event.request.headers['x-viewer-address'] = {value: event.viewer.ip};" in code
