"""Tests of the rules of AWS WAF: what they block, and what they must not block."""

import pytest
from tenantry_infra.stacks import INFRA
from tenantry_infra.template import Template

from tests.support.aws.web_acl import (
    BODY_RULES,
    QUERY_RULES,
    RULES,
    build_label,
    is_blocked,
    list_counted_rules,
)

TEMPLATE = Template.load(INFRA / "cloudformation" / "web-acl.yaml")


def test_the_managed_groups_are_on_and_block() -> None:
    groups = [
        rule["Statement"]["ManagedRuleGroupStatement"]["Name"]
        for rule in RULES
        if rule.get("OverrideAction") == {"None": {}}
    ]
    assert groups == [
        "AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesCommonRuleSet",
        "AWSManagedRulesKnownBadInputsRuleSet", "AWSManagedRulesSQLiRuleSet",
    ]  # fmt: skip


def test_only_rules_that_read_bodies_or_queries_are_exempted() -> None:
    assert set(list_counted_rules()) == {*BODY_RULES, *QUERY_RULES}


def test_no_label_of_an_exempted_rule_is_forgotten() -> None:
    """A rule that only counts, and whose label no later rule blocks, is switched off everywhere."""
    for rule, group in list_counted_rules().items():
        assert is_blocked("/elsewhere", rule), build_label(rule, group)


def test_later_rules_read_the_labels_of_earlier_ones() -> None:
    assert [rule["Priority"] for rule in RULES] == sorted({rule["Priority"] for rule in RULES})
    labelling = [rule["Priority"] for rule in RULES if "OverrideAction" in rule]
    blocking = [rule["Priority"] for rule in RULES if "AndStatement" in rule["Statement"]]
    assert max(labelling) < min(blocking)


@pytest.mark.parametrize("rule", BODY_RULES)
@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/files/",
        "/api/v1/knowledge/1b2c/file/add",
        "/api/chat/completions",
        "/api/v1/chats/new",
        "/api/v1/auths/update/profile",
    ],
)
def test_questions_and_documents_may_contain_anything(rule: str, path: str) -> None:
    assert not is_blocked(path, rule)


@pytest.mark.parametrize("rule", QUERY_RULES)
@pytest.mark.parametrize("path", ["/", "/api/v1/chats/search", "/api/v1/knowledge/search/files"])
def test_searches_may_contain_anything(rule: str, path: str) -> None:
    assert not is_blocked(path, rule)


@pytest.mark.parametrize("rule", [*BODY_RULES, *QUERY_RULES])
@pytest.mark.parametrize(
    "path",
    [
        "/index.html",
        "//",
        "/oauth/oidc/callback",
        "/ws/socket.io",
        "/static/api/",
        "/apis/v1/files/",
        "/openai/api/chat",
        "/api/v1/auths/signin",
        "/api/v1/auths/%73ignin",
        "/api/v1/auths/signup",
    ],
)
def test_all_other_bodies_and_queries_are_checked(rule: str, path: str) -> None:
    assert is_blocked(path, rule)


def test_a_rule_that_reads_neither_body_nor_query_blocks_an_upload_too() -> None:
    for rule in (
        "RestrictedExtensions_URIPATH",
        "NoUserAgent_HEADER",
        "GenericLFI_URIPATH",
        "Log4JRCE_HEADER",
        "SQLi_COOKIE",
    ):
        assert is_blocked("/api/v1/files/", rule)


def test_addresses_are_counted_by_what_no_client_can_write() -> None:
    statement = RULES[0]["Statement"]["RateBasedStatement"]
    assert statement["AggregateKeyType"] == {"Fn::If": ["ForCloudFront", "IP", "FORWARDED_IP"]}
    _, at_cloudfront, at_load_balancer = statement["ForwardedIPConfig"]["Fn::If"]
    assert at_cloudfront == {"Ref": "AWS::NoValue"}
    assert at_load_balancer == {"HeaderName": "X-Viewer-Address", "FallbackBehavior": "NO_MATCH"}


def test_the_log_has_no_session_and_no_code_of_a_login() -> None:
    """The emulator has no logging of AWS WAF."""
    log = TEMPLATE.document["Resources"]["Logging"]["Properties"]
    assert log["RedactedFields"] == [
        {"SingleHeader": {"Name": "authorization"}},
        {"SingleHeader": {"Name": "cookie"}},
        {"QueryString": {}},
    ]
    assert log["LoggingFilter"]["DefaultBehavior"] == "DROP"
    (kept,) = log["LoggingFilter"]["Filters"]
    assert (kept["Behavior"], kept["Conditions"]) == ("KEEP", [{"ActionCondition": {"Action": "BLOCK"}}])
    assert log["LogDestinationConfigs"] == [
        {"Fn::Sub": "arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:${BlockedRequests}"}
    ]
