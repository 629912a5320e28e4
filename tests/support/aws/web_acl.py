"""Evaluation of the rules of AWS WAF in the template ``web-acl.yaml``."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from tenantry_infra.stacks import INFRA
from tenantry_infra.template import Template

__all__ = ["BODY_RULES", "QUERY_RULES", "RULES", "build_label", "is_blocked", "list_counted_rules"]

RULES: list[Any] = Template.load(INFRA / "cloudformation" / "web-acl.yaml").document["Resources"]["WebAcl"][
    "Properties"
]["Rules"]
"""Rules of the web ACL."""

NAMESPACES = {
    "AWSManagedRulesCommonRuleSet": "core-rule-set",
    "AWSManagedRulesKnownBadInputsRuleSet": "known-bad-inputs",
    "AWSManagedRulesSQLiRuleSet": "sql-database",
}
"""Namespaces of labels by rule group, as AWS documents them."""

BODY_RULES = (
    "SizeRestrictions_BODY", "CrossSiteScripting_BODY", "GenericLFI_BODY", "GenericRFI_BODY",
    "EC2MetaDataSSRF_BODY", "JavaDeserializationRCE_BODY", "Log4JRCE_BODY", "ReactJSRCE_BODY", "SQLi_BODY",
    "SQLiExtendedPatterns_BODY",
)  # fmt: skip
"""Rules of the groups that read bodies, as AWS documents them."""

QUERY_RULES = (
    "SizeRestrictions_QUERYSTRING", "CrossSiteScripting_QUERYARGUMENTS", "GenericLFI_QUERYARGUMENTS",
    "GenericRFI_QUERYARGUMENTS", "EC2MetaDataSSRF_QUERYARGUMENTS", "RestrictedExtensions_QUERYARGUMENTS",
    "JavaDeserializationRCE_QUERYSTRING", "Log4JRCE_QUERYSTRING", "SQLi_QUERYARGUMENTS",
    "SQLiExtendedPatterns_QUERYARGUMENTS",
)  # fmt: skip
"""Rules of the groups that read queries, as AWS documents them."""

LABEL_ENDINGS = {"BODY": "Body", "QUERYSTRING": "QueryString", "QUERYARGUMENTS": "QueryArguments"}
"""Endings of labels by those of the rules."""


def list_counted_rules() -> dict[str, str]:
    """Return the managed rules that only label a request, each with its group."""
    return {
        override["Name"]: group["Name"]
        for rule in RULES
        if (group := rule["Statement"].get("ManagedRuleGroupStatement"))
        for override in group.get("RuleActionOverrides", [])
        if override["ActionToUse"] == {"Count": {}}
    }


def build_label(rule: str, group: str) -> str:
    """Return the label that a managed rule for bodies or queries adds to the requests that it matches."""
    name, _, part = rule.rpartition("_")
    return f"awswaf:managed:aws:{NAMESPACES[group]}:{name}_{LABEL_ENDINGS[part]}"


def is_blocked(path: str, rule: str) -> bool:
    """Return True if a request to a path that matches a managed rule is blocked.

    Parameters
    ----------
    path
        Path of the request.
    rule
        A rule of the managed groups.
    """
    counted = list_counted_rules()
    if rule not in counted:
        return True
    labels = {build_label(rule, counted[rule])}
    return any(
        _is_match(each["Statement"], path, labels) for each in RULES if each.get("Action") == {"Block": {}}
    )


def _is_match(statement: Mapping[str, Any], path: str, labels: set[str]) -> bool:
    ((kind, body),) = statement.items()
    match kind:
        case "AndStatement":
            return all(_is_match(each, path, labels) for each in body["Statements"])
        case "OrStatement":
            return any(_is_match(each, path, labels) for each in body["Statements"])
        case "NotStatement":
            return not _is_match(body["Statement"], path, labels)
        case "LabelMatchStatement":
            return body["Key"] in labels
        case "RegexMatchStatement":
            assert body["FieldToMatch"] == {"UriPath": {}}
            assert [each["Type"] for each in body["TextTransformations"]] == ["URL_DECODE"]
            return re.search(body["RegexString"], unquote(path)) is not None
        case _:
            raise ValueError(f"the test cannot evaluate {kind}")
