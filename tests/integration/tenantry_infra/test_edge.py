"""Tests of the way from browsers to Open WebUI, read back from each service after its deployment."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.aws.running import DeployedEnvironment
from tests.support.aws.web_acl import RULES

IGNORED = {
    "AWS::CertificateManager::Certificate": ["DomainValidationOptions"],
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ["VpcId"],
    "AWS::SecretsManager::Secret": ["GenerateSecretString.ExcludePunctuation"],
    "AWS::WAFv2::LoggingConfiguration": ["all"],
}
"""Properties that the emulator ignores. tests/unit/tenantry_infra tests them."""

HOST = "chat.example.com"
CLOUDFRONT_ZONE = "Z2FDTNDATAQYW2"
CACHING_DISABLED, ALL_VIEWER = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "216adef6-5c7f-47e4-b989-5492eafa07d3"
"""Ids of policies that AWS documents."""


@pytest.fixture(scope="module")
def elb(production: DeployedEnvironment) -> Any:
    return production.connect("elbv2")


@pytest.fixture(scope="module")
def outputs(production: DeployedEnvironment) -> dict[str, str]:
    return production.get_outputs("edge")


@pytest.fixture(scope="module")
def load_balancer(elb: Any) -> Any:
    (found,) = elb.describe_load_balancers(Names=["tenantry-prod"])["LoadBalancers"]
    return found


@pytest.fixture(scope="module")
def listener(elb: Any, load_balancer: Any) -> Any:
    (found,) = elb.describe_listeners(LoadBalancerArn=load_balancer["LoadBalancerArn"])["Listeners"]
    return found


@pytest.fixture(scope="module")
def distribution(production: DeployedEnvironment) -> Any:
    cloudfront = production.connect("cloudfront")
    (found,) = cloudfront.list_distributions()["DistributionList"]["Items"]
    assert found["DomainName"] == production.get_outputs("edge-global")["DistributionDomain"]
    return cloudfront.get_distribution_config(Id=found["Id"])["DistributionConfig"]


def get_forwarding_rule(elb: Any, listener: Any) -> Any:
    rules = elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    (found,) = [rule for rule in rules if not rule["IsDefault"]]
    return found


def list_headers(rule: Any) -> list[str]:
    """Return the values of the header that a rule demands."""
    (condition,) = [each for each in rule["Conditions"] if each["Field"] == "http-header"]
    assert condition["HttpHeaderConfig"]["HttpHeaderName"] == "X-Origin-Verify"
    values: list[str] = condition["HttpHeaderConfig"]["Values"]
    return values


def test_the_load_balancer_is_in_the_public_subnets_and_in_the_group_that_admits_cloudfront(
    load_balancer: Any, production: DeployedEnvironment
) -> None:
    network = production.get_outputs("network")
    assert load_balancer["Scheme"] == "internet-facing"
    assert [zone["SubnetId"] for zone in load_balancer["AvailabilityZones"]] == network[
        "PublicSubnets"
    ].split(",")
    assert load_balancer["SecurityGroups"] == [network["LoadBalancerSecurityGroup"]]


def test_the_load_balancer_is_protected_logs_and_refuses_malformed_headers(
    elb: Any, load_balancer: Any, production: DeployedEnvironment
) -> None:
    arn = load_balancer["LoadBalancerArn"]
    found = elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    assert {each["Key"]: each["Value"] for each in found} == {
        "idle_timeout.timeout_seconds": "300",
        "routing.http.drop_invalid_header_fields.enabled": "true",
        "deletion_protection.enabled": "true",
        "access_logs.s3.enabled": "true",
        "access_logs.s3.bucket": production.get_outputs("storage")["LogsBucket"],
        "access_logs.s3.prefix": "load-balancer",
    }


def test_the_only_listener_is_https_with_tls_1_3(production: DeployedEnvironment, listener: Any) -> None:
    assert (listener["Protocol"], listener["Port"]) == ("HTTPS", 443)
    assert listener["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-3-2021-06"
    (certificate,) = listener["Certificates"]
    found = production.connect("acm").describe_certificate(CertificateArn=certificate["CertificateArn"])
    assert found["Certificate"]["DomainName"] == HOST


def test_a_request_without_cloudfronts_header_is_refused(
    elb: Any, listener: Any, outputs: dict[str, str]
) -> None:
    (default,) = listener["DefaultActions"]
    assert (default["Type"], default["FixedResponseConfig"]["StatusCode"]) == ("fixed-response", "403")
    rule = get_forwarding_rule(elb, listener)
    assert [each["TargetGroupArn"] for each in rule["Actions"]] == [outputs["TargetGroupArn"]]
    assert {each["Field"] for each in rule["Conditions"]} == {"host-header", "http-header"}
    (host,) = [each for each in rule["Conditions"] if each["Field"] == "host-header"]
    assert host["HostHeaderConfig"]["Values"] == [HOST]
    (header,) = list_headers(rule)
    assert len(header) == 64


def test_cloudfront_sends_the_header_that_the_load_balancer_demands(
    elb: Any, listener: Any, distribution: Any
) -> None:
    (origin,) = distribution["Origins"]["Items"]
    assert origin["CustomHeaders"]["Items"] == [
        {"HeaderName": "X-Origin-Verify", "HeaderValue": list_headers(get_forwarding_rule(elb, listener))[0]}
    ]


def test_the_target_group_has_pods_of_open_webui_that_are_ready(
    elb: Any, outputs: dict[str, str], production: DeployedEnvironment
) -> None:
    (group,) = elb.describe_target_groups(TargetGroupArns=[outputs["TargetGroupArn"]])["TargetGroups"]
    assert (group["TargetType"], group["Protocol"], group["Port"]) == ("ip", "HTTP", 8080)
    assert (group["HealthCheckPath"], group["Matcher"]) == ("/ready", {"HttpCode": "200"})
    assert group["VpcId"] == production.get_outputs("network")["VpcId"]
    found = elb.describe_target_group_attributes(TargetGroupArn=outputs["TargetGroupArn"])["Attributes"]
    assert {each["Key"]: each["Value"] for each in found} == {
        "stickiness.enabled": "false",
        "deregistration_delay.timeout_seconds": "120",
    }


def test_both_web_acls_have_all_rules(
    production: DeployedEnvironment, load_balancer: Any, distribution: Any
) -> None:
    waf = production.connect("wafv2")
    regional = waf.get_web_acl_for_resource(ResourceArn=load_balancer["LoadBalancerArn"])["WebACL"]
    assert ":regional/" in regional["ARN"]
    (summary,) = waf.list_web_acls(Scope="CLOUDFRONT")["WebACLs"]
    assert summary["ARN"] == distribution["WebACLId"]
    at_cloudfront = waf.get_web_acl(Name=summary["Name"], Scope="CLOUDFRONT", Id=summary["Id"])["WebACL"]
    for acl, key in ((regional, "FORWARDED_IP"), (at_cloudfront, "IP")):
        assert acl["DefaultAction"] == {"Allow": {}}
        assert [rule["Name"] for rule in acl["Rules"]] == [rule["Name"] for rule in RULES]
        assert acl["Rules"][0]["Statement"]["RateBasedStatement"]["AggregateKeyType"] == key
        assert acl["Rules"][0]["Action"] == {"Block": {"CustomResponse": {"ResponseCode": 429}}}


def test_logs_of_the_web_acls_have_names_that_aws_accepts(production: DeployedEnvironment) -> None:
    found = production.connect("logs").describe_log_groups(logGroupNamePrefix="aws-waf-logs-")["logGroups"]
    assert {group["logGroupName"]: group["retentionInDays"] for group in found} == {
        "aws-waf-logs-tenantry-prod-load-balancer": 30,
        "aws-waf-logs-tenantry-prod-cloudfront": 30,
    }


def test_browsers_reach_the_host_with_tls_1_3_over_ipv4_and_ipv6(
    production: DeployedEnvironment, distribution: Any
) -> None:
    assert distribution["Enabled"] is True
    assert distribution["Aliases"]["Items"] == [HOST]
    assert distribution["IsIPV6Enabled"] is True
    certificate = distribution["ViewerCertificate"]
    assert certificate["MinimumProtocolVersion"] == "TLSv1.3_2025"
    found = production.connect("acm").describe_certificate(CertificateArn=certificate["ACMCertificateArn"])
    assert found["Certificate"]["DomainName"] == HOST


def test_cloudfront_reaches_the_load_balancer_with_tls_and_waits_for_answers(distribution: Any) -> None:
    (origin,) = distribution["Origins"]["Items"]
    assert origin["DomainName"] == f"origin.{HOST}"
    config = origin["CustomOriginConfig"]
    assert config["OriginProtocolPolicy"] == "https-only"
    assert config["OriginSslProtocols"]["Items"] == ["TLSv1.2"]
    assert config["OriginReadTimeout"] == 120


def test_all_of_a_users_requests_pass_uncached_with_their_session(distribution: Any) -> None:
    """The policy of AWS forwards all headers, which an upload, a WebSocket and a session need."""
    behavior = distribution["DefaultCacheBehavior"]
    assert set(behavior["AllowedMethods"]["Items"]) == {
        "GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE",
    }  # fmt: skip
    assert behavior["ViewerProtocolPolicy"] == "redirect-to-https"
    assert (behavior["CachePolicyId"], behavior["OriginRequestPolicyId"]) == (CACHING_DISABLED, ALL_VIEWER)
    (function,) = behavior["FunctionAssociations"]["Items"]
    assert function["EventType"] == "viewer-request"


def test_a_cached_file_is_requested_without_a_session(
    production: DeployedEnvironment, distribution: Any
) -> None:
    cloudfront = production.connect("cloudfront")
    behaviors = distribution["CacheBehaviors"]["Items"]
    assert {each["PathPattern"] for each in behaviors} == {"/_app/immutable/*", "/static/*", "/assets/*"}
    for behavior in behaviors:
        assert behavior["AllowedMethods"]["Items"] == ["GET", "HEAD", "OPTIONS"]
        key = cloudfront.get_cache_policy(Id=behavior["CachePolicyId"])["CachePolicy"]["CachePolicyConfig"]
        request = cloudfront.get_origin_request_policy(Id=behavior["OriginRequestPolicyId"])
        config = request["OriginRequestPolicy"]["OriginRequestPolicyConfig"]
        assert config["CookiesConfig"]["CookieBehavior"] == "none"
        assert config["HeadersConfig"]["Headers"]["Items"] == ["Host"]
        parameters = key["ParametersInCacheKeyAndForwardedToOrigin"]
        assert parameters["CookiesConfig"]["CookieBehavior"] == "none"
        # Open WebUI answers a missing file with the page of its app and no-cache, which only 0 respects.
        assert key["MinTTL"] == 0


def test_no_error_of_one_user_is_kept_for_others(distribution: Any) -> None:
    errors = {each["ErrorCode"]: each for each in distribution["CustomErrorResponses"]["Items"]}
    assert set(errors) == {400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504}, "all codes that can be set"
    assert {each["ErrorCachingMinTTL"] for each in errors.values()} == {0}
    assert not any(each.get("ResponsePagePath") for each in errors.values())


def test_security_headers_are_added_where_open_webui_sends_none(
    production: DeployedEnvironment, distribution: Any
) -> None:
    policy = distribution["DefaultCacheBehavior"]["ResponseHeadersPolicyId"]
    found = production.connect("cloudfront").get_response_headers_policy(Id=policy)["ResponseHeadersPolicy"]
    headers = found["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    assert headers["StrictTransportSecurity"]["AccessControlMaxAgeSec"] == 31536000
    assert [each["Override"] for each in headers.values()] == [False] * 4


def test_cloudfront_logs_requests_to_the_bucket(production: DeployedEnvironment) -> None:
    logs = production.connect("logs")
    (delivery,) = logs.describe_deliveries()["deliveries"]
    (source,) = logs.describe_delivery_sources()["deliverySources"]
    (destination,) = logs.describe_delivery_destinations()["deliveryDestinations"]
    assert (source["logType"], source["service"]) == ("ACCESS_LOGS", "cloudfront")
    assert delivery["deliverySourceName"] == source["name"]
    assert delivery["deliveryDestinationArn"] == destination["arn"]
    bucket = production.get_outputs("storage")["LogsBucket"]
    target = destination["deliveryDestinationConfiguration"]["destinationResourceArn"]
    assert target == f"arn:aws:s3:::{bucket}"


def test_the_host_leads_to_cloudfront_and_the_origin_to_the_load_balancer(
    production: DeployedEnvironment, load_balancer: Any
) -> None:
    records = list_records(production)
    domain = production.get_outputs("edge-global")["DistributionDomain"]
    assert set(records) == {(f"{HOST}.", "A"), (f"{HOST}.", "AAAA"), (f"origin.{HOST}.", "A")}
    for kind in ("A", "AAAA"):
        target = records[f"{HOST}.", kind]["AliasTarget"]
        assert (target["HostedZoneId"], target["DNSName"]) == (CLOUDFRONT_ZONE, f"{domain}.")
    target = records[f"origin.{HOST}.", "A"]["AliasTarget"]
    assert target["DNSName"] == f"{load_balancer['DNSName']}."
    assert target["HostedZoneId"] == load_balancer["CanonicalHostedZoneId"]
    assert "Failover" not in records[f"origin.{HOST}.", "A"]


def test_the_values_bind_the_chart_to_the_load_balancer(
    production: DeployedEnvironment, outputs: dict[str, str], tmp_path: Path
) -> None:
    status, output = production.emulator.run_command(
        "values", str(production.file), "--file", str(tmp_path / "values.yaml")
    )
    assert status == 0
    assert "Not in it" not in output
    assert f"targetGroupArn: {outputs['TargetGroupArn']}" in (tmp_path / "values.yaml").read_text()


def list_records(environment: DeployedEnvironment) -> dict[tuple[str, str], Any]:
    """Return the records of the hosted zone by name and type, without those of the zone itself."""
    route53 = environment.connect("route53")
    (zone,) = route53.list_hosted_zones()["HostedZones"]
    found = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
    return {(each["Name"], each["Type"]): each for each in found if each["Type"] not in ("NS", "SOA")}
