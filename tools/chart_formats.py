"""Formats of the chart's values as JSON schemas, with patterns that Go understands (without lookahead)."""

import re
from typing import Any

import boto3

__all__ = [
    "ACM_CERTIFICATE",
    "ANNOTATIONS",
    "BUCKET",
    "CIDR",
    "CPU",
    "CRON",
    "DIGEST",
    "DURATION",
    "EMAIL",
    "ENVIRONMENT",
    "HOST",
    "IMAGE_TAG",
    "KEYCLOAK_URL",
    "LABELS",
    "MEMORY",
    "NAME",
    "NAMESPACE",
    "POSTGRES_NAME",
    "PREFIX_LIST",
    "PUBLIC_URL",
    "QDRANT_URL",
    "REALM",
    "REGION",
    "REPOSITORY",
    "RESOURCE_REFERENCE",
    "ROLE_ARN",
    "SECURITY_GROUP",
    "STORE_PREFIX",
    "TARGET_GROUP",
    "TLS_POLICY",
    "URL",
    "WEB_ACL",
    "Schema",
    "allow_empty",
    "build_field_reference",
    "build_integer",
    "build_number",
    "build_range_pattern",
    "explain",
]

Schema = dict[str, Any]


def explain(condition: str | Schema, sentence: str) -> Schema:
    """Return the schema of a text that matches a pattern or a schema.

    Helm then reports "value must be" and the sentence. For a pattern alone it reports the pattern.
    """
    schema = {"pattern": condition} if isinstance(condition, str) else condition
    return {"type": "string", "if": schema, "else": {"const": sentence}}


def allow_empty(schema: Schema) -> Schema:
    """Return the schema of a text that may also be empty."""
    return schema | {"if": {"anyOf": [{"maxLength": 0}, schema["if"]]}}


def build_range_pattern(low: int, high: int) -> str:
    """Return a pattern of the whole numbers from low to high, in decimal and without leading zeros."""
    parts = []
    for length in range(len(str(low)), len(str(high)) + 1):
        first = max(low, 0 if length == 1 else 10 ** (length - 1))
        parts += _list_patterns(str(first), str(min(high, 10**length - 1)))
    return f"({'|'.join(parts)})"


def _list_patterns(low: str, high: str) -> list[str]:
    """Return patterns of the numbers between two numbers with the same number of digits."""
    if low == high:
        return [low]
    if set(low) <= {"0"} and set(high) <= {"9"}:
        return ["[0-9]" * len(low)]
    if len(low) == 1:
        return [f"[{low}-{high}]"]
    if low[0] == high[0]:
        return [low[0] + pattern for pattern in _list_patterns(low[1:], high[1:])]
    rest = len(low) - 1
    patterns = []
    first, last = int(low[0]), int(high[0])
    if set(low[1:]) != {"0"}:
        patterns += [low[0] + pattern for pattern in _list_patterns(low[1:], "9" * rest)]
        first += 1
    tail = []
    if set(high[1:]) != {"9"}:
        tail = [high[0] + pattern for pattern in _list_patterns("0" * rest, high[1:])]
        last -= 1
    if first <= last:
        digits = f"[{first}-{last}]" if first < last else str(first)
        patterns.append(digits + "[0-9]" * rest)
    return patterns + tail


def build_integer(low: int, high: int | None) -> Schema:
    """Return the schema of a text with a whole number; without a highest number, of at most 15 digits."""
    if high is None:
        return explain(f"^{build_range_pattern(low, 10**15 - 1)}$", f"a whole number, at least {low}")
    return explain(f"^{build_range_pattern(low, high)}$", f"a whole number from {low} to {high}")


def build_number(*, is_positive: bool, most: int | None) -> Schema:
    """Return the schema of a text with a number of at least zero, or a positive one."""
    number = _POSITIVE if is_positive else r"[0-9]+(\.[0-9]*)?"
    sentence = "a positive number" if is_positive else "a number, at least 0"
    if most is None:
        return explain(f"^{number}$", sentence)
    bound = rf"^0*({build_range_pattern(0, most - 1)}?(\.[0-9]*)?|{most}(\.0*)?)$"
    condition = {"allOf": [{"pattern": f"^{number}$"}, {"pattern": bound}]}
    return explain(condition, f"{sentence}, at most {most}")


# Names in Kubernetes, Docker and DNS.

_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_KEY = rf"({_SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
_REGISTRY = r"([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:[0-9]+)?|[a-z0-9-]+:[0-9]+)"
_PATH_PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"

NAME = explain(
    {"pattern": f"^{_SUBDOMAIN}$", "maxLength": 253},
    "the name of a Kubernetes object: lower-case letters, digits, hyphens and dots",
)
NAMESPACE = explain(f"^{_LABEL}$", "the name of a namespace: lower-case letters, digits and hyphens")
DIGEST = allow_empty(explain("^sha256:[0-9a-f]{64}$", "sha256: and 64 hexadecimal digits"))
IMAGE_TAG = explain("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", "the tag of an image, such as 1.2.3")
REPOSITORY = explain(
    rf"^({_REGISTRY}/)?{_PATH_PART}(/{_PATH_PART})*$",
    "an image repository without tag and digest, such as registry.example.com/tenantry/gateway",
)
LABELS: Schema = {
    "type": "object",
    "additionalProperties": False,
    "patternProperties": {
        f"^{_KEY}$": explain(
            "^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$", "the value of a Kubernetes label"
        )
    },
}


def build_field_reference(fields: str) -> Schema:
    """Return the schema of a reference to one of a pod's fields; ``fields`` is a pattern."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "apiVersion": {"const": "v1"},
            "fieldPath": explain(
                rf"^({fields}|metadata\.(labels|annotations)\['{_KEY}'\])$",
                "the path of a field that pods can read here, such as metadata.name",
            ),
        },
        "required": ["fieldPath"],
    }


RESOURCE_REFERENCE: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "containerName": NAMESPACE,
        "resource": explain(
            r"^(requests|limits)\.(cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMG]i)$",
            "a request or a limit, such as limits.memory",
        ),
        "divisor": {"type": ["string", "integer"]},
    },
    "required": ["resource"],
}


def _build_key_reference(*required: str) -> Schema:
    """Return the schema of a reference to a key."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **{name: {"type": "string", "minLength": 1} for name in required},
            "optional": {"type": "boolean"},
        },
        "required": list(required),
    }


ENVIRONMENT_SOURCES: dict[str, Schema] = {
    "secretKeyRef": _build_key_reference("name", "key"),
    "configMapKeyRef": _build_key_reference("name", "key"),
    "fieldRef": build_field_reference(
        r"metadata\.(name|namespace|uid)|spec\.(nodeName|serviceAccountName)|status\.(host|pod)IPs?"
    ),
    "resourceFieldRef": RESOURCE_REFERENCE,
    "fileKeyRef": _build_key_reference("volumeName", "path", "key"),
}
ENVIRONMENT: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["name"],
        "properties": {
            "name": explain("^[-._a-zA-Z][-._a-zA-Z0-9]*$", "the name of an environment variable"),
            "value": {"type": "string"},
            "valueFrom": {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": False,
                "properties": ENVIRONMENT_SOURCES,
            },
        },
        "dependencies": {"value": {"properties": {"valueFrom": False}}},
    },
}

# Quantities and durations.

_POSITIVE = r"([0-9]*[1-9][0-9]*(\.[0-9]*)?|[0-9]*\.[0-9]*[1-9][0-9]*)"


def _build_quantity(units: str, sentence: str) -> Schema:
    """Return the schema of a positive quantity, which may be a number in YAML."""
    text = explain(f"^{_POSITIVE}({units}|[eE][0-9]{{1,2}})?$", sentence)
    return {"if": {"type": "number"}, "then": {"exclusiveMinimum": 0}, "else": text}


CPU = _build_quantity("m", "a positive number of CPUs, such as 500m or 2")
MEMORY = _build_quantity("[kMGTP]|[KMGTP]i", "a positive number of bytes, such as 512Mi or 2Gi")
_CRON_NAMES = {
    "month": "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC",
    "weekday": "SUN|MON|TUE|WED|THU|FRI|SAT",
}


def _build_cron_pattern(low: int, high: int, names: str = "") -> str:
    """Return the pattern of a field: numbers, names, ranges, steps, and lists of them."""
    any_case = re.sub("[A-Z]", lambda letter: f"[{letter[0]}{letter[0].lower()}]", names)
    value = f"({build_range_pattern(low, high)}{'|' + any_case if names else ''})"
    step = build_range_pattern(1, high)
    item = rf"(\*(/{step})?|{value}(-{value}(/{step})?)?)"
    return f"{item}(,{item})*"


CRON = explain(
    "^" + " ".join(
        [
            _build_cron_pattern(0, 59),
            _build_cron_pattern(0, 23),
            _build_cron_pattern(1, 31),
            _build_cron_pattern(1, 12, _CRON_NAMES["month"]),
            _build_cron_pattern(0, 6, _CRON_NAMES["weekday"]),
        ]
    ) + "$",
    "five fields of cron: minute, hour, day of the month, month, day of the week (0 to 6), such as 0 3 * * 0",
)  # fmt: skip
DURATION = explain("^([0-9]+(h|m|s))+$", "a duration, such as 30m or 1h30m")

# Addresses.

_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(\.{_OCTET}){{3}}"
_GROUP = "[0-9a-fA-F]{1,4}"
_IPV6 = "({})".format(
    "|".join(
        [
            f"({_GROUP}:){{7}}{_GROUP}",
            f"({_GROUP}:){{1,7}}:",
            *(f"({_GROUP}:){{1,{7 - after}}}(:{_GROUP}){{1,{after}}}" for after in range(1, 7)),
            f":(:{_GROUP}){{1,7}}",
            "::",
        ]
    )
)
_PORT = build_range_pattern(1, 65535)
_URL_HOST = rf"({_SUBDOMAIN}|\[{_IPV6}\])"
_ORIGIN = rf"https?://{_URL_HOST}(:{_PORT})?"
_PATH = r"(/[A-Za-z0-9._~-]+)*"
_LOCAL: Schema = {"pattern": r"://(localhost|127\.|\[::1\])"}

CIDR = explain(
    rf"^({_IPV4}/{build_range_pattern(0, 32)}|{_IPV6}/{build_range_pattern(0, 128)})$",
    "a block of addresses, such as 10.0.20.0/24 (IPv4, /0 to /32) or fd00:ec2::/64 (IPv6, /0 to /128)",
)
HOST = explain(
    {
        "pattern": rf"^({_SUBDOMAIN}|{_IPV6})$",
        "maxLength": 253,
        "not": {"pattern": r"^(localhost|127\.|::1$)"},
    },
    "the name of a host that pods reach, without scheme, port and path, such as db.example.com",
)
URL = explain(
    f"^{_ORIGIN}{_PATH}$", "a URL without a trailing slash, such as https://docs.example.com/tenantry"
)
PUBLIC_URL = explain(
    f"^{_ORIGIN}$",
    "the URL that browsers open, in lower case and without path and trailing slash, such as https://chat.example.com",
)
KEYCLOAK_URL = explain(
    {"pattern": f"^{_ORIGIN}{_PATH}$", "not": {"anyOf": [{"pattern": "/(realms|admin)(/|$)"}, _LOCAL]}},
    "the URL of Keycloak that browsers and pods reach, without /realms and trailing slash, "
    "such as https://login.example.com",
)
QDRANT_URL = explain(
    {"pattern": f"^{_ORIGIN}{_PATH}$", "not": _LOCAL},
    "the URL of a Qdrant that pods reach, without a trailing slash, such as https://qdrant.example.com",
)
EMAIL = explain(
    rf"^[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@({_LABEL}\.)+[a-z]([-a-z0-9]*[a-z0-9])?$",
    "an e-mail address, such as admin@example.com",
)

# Parts of other programs.

REALM = explain(
    {"pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$", "not": {"const": "master"}},
    "the name of a realm: letters, digits, hyphens, dots and underscores, and not master",
)
POSTGRES_NAME = explain(
    "^[A-Za-z_][A-Za-z0-9_-]{0,62}$",
    "a name in Postgres: 1 to 63 letters, digits, underscores and hyphens",
)
STORE_PREFIX = explain("^[A-Za-z0-9/_+=.@-]*$", "the beginning of a secret's name in AWS Secrets Manager")

# AWS.

_SESSION = boto3.session.Session()
_REGIONS = {
    region
    for partition in _SESSION.get_available_partitions()
    for region in _SESSION.get_available_regions("ec2", partition_name=partition)
}
_PARTITION = "aws(-[a-z]+)*"
_REGION_PART = "[a-z]{2,4}(-[a-z]+)+-[0-9]"
_ROLE = rf"arn:{_PARTITION}:iam::[0-9]{{12}}:role/([\w+=,.@-]+/)*[\w+=,.@-]{{1,64}}"

REGION: Schema = {"enum": sorted(_REGIONS)}
BUCKET = explain(
    {
        "pattern": r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$",
        "minLength": 3,
        "maxLength": 63,
        "not": {
            "anyOf": [
                {"pattern": r"^([0-9]+\.){3}[0-9]+$"},
                {"pattern": "^(xn--|sthree-|amzn-s3-demo-)"},
                {"pattern": r"(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$"},
            ]
        },
    },
    "the name of a bucket by the rules of S3: 3 to 63 lower-case letters, digits, hyphens and dots",
)
ROLE_ARN = explain(
    f"^{_ROLE}$", "the ARN of an IAM role, such as arn:aws:iam::123456789012:role/tenantry-tenant"
)
ANNOTATIONS: Schema = {
    "type": "object",
    "additionalProperties": False,
    "patternProperties": {f"^{_KEY}$": {"type": "string"}},
    "properties": {"eks.amazonaws.com/role-arn": ROLE_ARN},
}
ACM_CERTIFICATE = explain(
    rf"^arn:{_PARTITION}:(acm:{_REGION_PART}:[0-9]{{12}}:certificate/[\w-]+|iam::[0-9]{{12}}:server-certificate/.+)$",
    "the ARN of a certificate in ACM, such as arn:aws:acm:us-east-1:123456789012:certificate/...",
)
WEB_ACL = explain(
    rf"^arn:{_PARTITION}:wafv2:{_REGION_PART}:[0-9]{{12}}:(regional|global)/webacl/[\w-]+/[0-9a-f-]+$",
    "the ARN of a web ACL of WAF, such as arn:aws:wafv2:us-east-1:123456789012:regional/webacl/tenantry/...",
)
TARGET_GROUP = explain(
    rf"^arn:{_PARTITION}:elasticloadbalancing:{_REGION_PART}:[0-9]{{12}}:targetgroup/[\w-]+/[0-9a-f]+$",
    "the ARN of a target group: arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/tenantry/...",
)
SECURITY_GROUP = explain(
    "^sg-([0-9a-f]{8}|[0-9a-f]{17})$", "the id of a security group, such as sg-0123456789abcdef0"
)
PREFIX_LIST = explain("^pl-([0-9a-f]{8}|[0-9a-f]{17})$", "the id of a prefix list, such as pl-3b927c52")

TLS_POLICY: Schema = {
    "enum": [
        f"ELBSecurityPolicy-{name}"
        for name in (
            "TLS13-1-3-2021-06",
            "TLS13-1-3-PQ-2025-09",
            "TLS13-1-3-FIPS-2023-04",
            "TLS13-1-3-FIPS-PQ-2025-09",
            "TLS13-1-3-RFC9151-FIPS-2023-07",
            "TLS13-1-2-2021-06",
            "TLS13-1-2-PQ-2025-09",
            "TLS13-1-2-FIPS-2023-04",
            "TLS13-1-2-FIPS-PQ-2025-09",
            "TLS13-1-2-Res-2021-06",
            "TLS13-1-2-Res-PQ-2025-09",
            "TLS13-1-2-Res-FIPS-2023-04",
            "TLS13-1-2-Res-FIPS-PQ-2025-09",
            "TLS13-1-2-Ext0-FIPS-2023-04",
            "TLS13-1-2-Ext0-FIPS-PQ-2025-09",
            "TLS13-1-2-Ext1-2021-06",
            "TLS13-1-2-Ext1-PQ-2025-09",
            "TLS13-1-2-Ext1-FIPS-2023-04",
            "TLS13-1-2-Ext1-FIPS-PQ-2025-09",
            "TLS13-1-2-Ext2-2021-06",
            "TLS13-1-2-Ext2-PQ-2025-09",
            "TLS13-1-2-Ext2-FIPS-2023-04",
            "TLS13-1-2-Ext2-FIPS-PQ-2025-09",
            "TLS13-1-2-RFC9151-FIPS-2023-07",
            "TLS13-1-2-Ext0-RFC9151-FIPS-2023-07",
            "TLS13-1-1-2021-06",
            "TLS13-1-1-FIPS-2023-04",
            "TLS13-1-0-2021-06",
            "TLS13-1-0-PQ-2025-09",
            "TLS13-1-0-FIPS-2023-04",
            "TLS13-1-0-FIPS-PQ-2025-09",
            "TLS-1-2-2017-01",
            "TLS-1-2-Ext-2018-06",
            "TLS-1-1-2017-01",
            "FS-1-2-Res-2020-10",
            "FS-1-2-Res-2019-08",
            "FS-1-2-2019-08",
            "FS-1-1-2019-08",
            "FS-2018-06",
            "2016-08",
        )
    ]
}
"""Security policies of Application Load Balancers, from the table of AWS of September 2026."""
