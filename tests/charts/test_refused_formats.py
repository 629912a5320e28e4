"""Tests of values that are wrong in themselves: the schema refuses them with their path."""

import itertools
import json
import re
from typing import Any

import pytest

from tests.support.charts.rendering import HelmError, render
from tools.chart_formats import build_range_pattern

PRODUCTION = "values-eks-prod.yaml"
ROLE = "arn:aws:iam::123456789012:role/a"
ACL = "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/a/11111111-2222"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/1111-2222"
VARIABLE = {"name": "A", "value": "b"}
REFERENCE = {"secretKeyRef": {"name": "a", "key": "b"}}

VALUES: list[tuple[str, list[Any], list[Any]]] = [
    # AWS.
    ("global.aws.region", ["us-est-1", "us-east-9", "US-EAST-1", "us-east-1a", ""], ["eu-west-1", "cn-north-1"]),
    (
        "global.aws.documentsBucket",
        ["", "ab", "Documents", "a_b", "a..b", "a.-b", "a-.b", "-ab", "ab-", "10.0.0.1", "a" * 64, "s3://abc", "xn--abc",
         "abc-s3alias", "docs/abc", "abc--x-s3"],
        ["abc", "a.b-c.d", "1" * 63],
    ),
    ("global.aws.filesBucket", ["files ", "my.files.", ".files", "arn:aws:s3:::files"], ["files-2026"]),
    (
        "global.aws.tenantRoleArn",
        ["", "tenant", "arn:aws:iam::123:role/a", "arn:aws:iam::123456789012:user/a", f"{ROLE} ",
         "arn:aws:sts::123456789012:assumed-role/a/b", "aws:iam::123456789012:role/a"],
        ["arn:aws-us-gov:iam::123456789012:role/path/a+b=c,d.e@f-g_h"],
    ),
    (
        "gateway.modelRoleArn",
        ["arn:aws:iam::123456789012:role/", "arn:aws:iam::123456789012:role/a*", "arn:aws:iam:us-east-1:123456789012:role/a"],
        [ROLE],
    ),
    (
        "gateway.serviceAccount.annotations",
        [{"eks.amazonaws.com/role-arn": "tenantry-gateway"}, {"a b": "c"}, {"a": 1}],
        [{"eks.amazonaws.com/role-arn": ROLE}, {"example.com/a": "b c"}],
    ),
    # Addresses.
    (
        "global.network.postgres.cidrs",
        [["10.0.0.0/33"], ["10.0.0.256/24"], ["10.0.0/24"], ["10.0.0.0"], ["10.0.0.0/"], ["010.0.0.0/8"], ["::/129"],
         ["fd00:::/8"], ["1:2:3:4:5:6:7:8:9/64"], ["db.example.com"], ["10.0.0.0/24 "], ["10.0.0.0/24", "10.0.0.0/24"],
         ["10.0.0.0-10.0.0.9"], [""], "10.0.0.0/24", ["g::/8"], ["10.0.0.0/08"]],
        [["0.0.0.0/0"], ["10.0.0.1/32", "::/0", "fd00:ec2::23/128", "2001:db8:0:1:2:3:4:5/128", "::1/128"]],
    ),
    ("ingress.alb.inboundCidrs", [["anywhere"], ["*"], ["0.0.0.0"], [0]], [["0.0.0.0/0", "::/0"]]),
    ("global.network.postgres.port", [0, 65536, "5432", 1.5, -1], [1, 65535]),
    (
        "global.keycloak.url",
        ["https://login.example.com/realms", "https://login.example.com/realms/tenantry", "https://login.example.com/",
         "login.example.com", "https://", "https://login.example.com?a=b", "https://a:b@login.example.com",
         "https://login example.com", "https://login.example.com#a", "ftp://login.example.com", "https//login.example.com",
         "https://login_1.example.com", "https://login.example.com:70000", "https://localhost:8443", "https://-a.example.com",
         "https://login.example.com/auth/admin", "https://Login.example.com", "http://127.0.0.1:8080", "https://a..b"],
        ["https://login.example.com/auth", "https://login.example.com:8443", "http://keycloak.sso.svc:8080", "https://10.0.0.1"],
    ),
    (
        "global.openWebui.url",
        ["https://chat.example.com/", "https://chat.example.com/chat", "chat.example.com", "https://chat.example.com:0",
         "https://*.example.com", "HTTPS://chat.example.com", "https://chat.example.com?x", "https://me@chat.example.com"],
        ["https://chat.example.com", "http://localhost:8080", "https://chat.example.com:8443", "https://[fd00::1]:8443"],
    ),
    (
        "global.qdrant.url",
        ["qdrant:6333", "https://qdrant.example.com/", "grpc://qdrant.example.com", "http://localhost:6333"],
        ["", "https://a.eu-west-1-0.aws.cloud.qdrant.io:6333"],
    ),
    (
        "n8n.postgres.host",
        ["db.example.com:5432", "postgres://db.example.com", "db_1", "db.example.com/n8n", "localhost", "127.0.0.1", "a b",
         "db.example.com.", "user@db.example.com"],
        ["10.0.20.5", "postgres.data.svc.cluster.local", "fd00::1"],
    ),
    ("n8n.redis.host", ["redis://a.example.com", "a.example.com:6379", "rediss://a"], ["a.example.com"]),
    ("monitoring.docsUrl", ["docs.example.com", "https://docs.example.com/", "https://docs example.com"], ["", "https://a/b"]),
    # Names of accounts, databases and objects.
    ("global.openWebui.adminEmail", ["admin", "admin@", "@example.com", "a@b", "a b@example.com", "a@example.com,b@example.com",
                                     "<a@example.com>"], ["a.b+c@example.co.uk"]),
    ("n8n.ownerEmail", ["", "owner@example", "owner.example.com"], ["owner@tenantry.example"]),
    ("global.keycloak.realm", ["", "master", "a/b", "a b", "realms/tenantry"], ["acme-2"]),
    ("n8n.postgres.database", ["", "a b", "a;b", "a" * 64, "1n8n"], ["n8n_prod"]),
    ("n8n.postgres.user", ["", "n8n@host", "n8n'"], ["n8n-2"]),
    ("n8n.redis.user", ["", "a b"], ["default"]),
    ("n8n.redis.database", [-1, "2", 1.5], [0]),
    ("gateway.existingSecret", ["", "My-Secret", "a_b", "a/b", "-a", "a" * 254], ["a.b-c"]),
    ("global.qdrant.tlsSecret", ["TLS", "a b"], ["", "qdrant-tls"]),
    ("global.network.monitoringNamespace", ["kube.system", "Monitoring", "a" * 64], ["", "monitoring"]),
    ("qdrant.storage.class", ["GP3", "gp3 "], ["", "gp3"]),
    ("global.priorityClasses.serving", ["High", "a_b"], ["high"]),
    ("externalSecrets.prefix", ["a b", "a*"], ["", "prod/tenantry-"]),
    ("ingress.className", ["", "ALB", "a b"], ["contour"]),
    # Images.
    ("gateway.image.repository", ["", "tenantry/gateway:1.0", "tenantry/gateway@sha256:1", "Tenantry/gateway", "a//b", "/a",
                                  "https://ghcr.io/a", "a b"], ["localhost:5000/a/b", "a", "123.dkr.ecr.us-east-1.amazonaws.com/a"]),
    ("gateway.image.tag", ["1.0@sha256:1", "a b", "-a", ".a", "a" * 129, "v1/2"], ["", "1.0_a-b"]),
    ("gateway.image.digest", ["sha256:abc", "a" * 64, "sha256:" + "G" * 64], ["", "sha256:" + "0" * 64]),
    ("n8n.initialScale.image.tag", [""], ["v1.36.0"]),
    ("gateway.image.pullPolicy", ["always", "", "Sometimes"], ["Never"]),
    ("global.imagePullSecrets", [["a"], [{"name": ""}], [{"nam": "a"}]], [[{"name": "a"}]]),
    # Quantities and numbers.
    ("gateway.resources.requests.cpu", ["0", "-1", "1.5.1", "1 ", "100M", "1Gi", "m", "", 0, "0m", "0.0", "1,5"],
     ["250m", 1, 0.5, "1e0", ".5"]),
    ("gateway.resources.requests.memory", ["0", "512m", "1GB", "1gi", "Ki", "1 Gi", "1G i", "1Mib", "", "0Gi", -5, "1e"],
     ["1e9", "512Mi", 1000000000, "0.5Gi"]),
    ("gateway.resources.limits", [{"cpus": "1"}, {"memory": "0"}], [{}, {"cpu": "2", "memory": "1Gi", "ephemeral-storage": "1Gi"}]),
    ("qdrant.storage.size", ["0", "Gi", "100GB", "-1Gi", "100g"], ["100Gi"]),
    ("gateway.autoscaling.minReplicas", [0, -1, "2", 1.5], [2]),
    ("gateway.autoscaling.targetCPUUtilizationPercentage", [0, 101, "70%"], [100]),
    ("gateway.embeddingsPerMinute", [0, -1, "2000"], [2000]),
    ("gateway.terminationGracePeriodSeconds", [0, -1, 3601, "120", 1.5], [3600]),
    ("global.drainSeconds", [0, -1, "10s"], [1]),
    ("file-sync.replicas", [0], [1]),
    ("n8n.worker.concurrency", [0, "ten"], [1]),
    ("n8n.worker.autoscaling.source", ["KEDA", "prometheus"], ["keda"]),
    ("externalSecrets.refreshInterval", ["", "1 h", "1d", "60", "h"], ["1h30m"]),
    ("monitoring.interval", ["0s", "30", "1h", "often", "-1s"], ["1m"]),
    # The load balancer.
    ("ingress.alb.sslPolicy", ["", "ELBSecurityPolicy-TLS13-1-3-2021-6", "ELBSecurityPolicy-TLS13-1-3", "TLS13-1-3-2021-06",
                               "ELBSecurityPolicy-TLS-1-0-2015-04"], ["ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"]),
    ("ingress.alb.scheme", ["public", ""], ["internal"]),
    ("ingress.alb.certificateArns", [["arn:aws:acm"], [ROLE], ["chat.example.com"], [CERTIFICATE, CERTIFICATE]], [[CERTIFICATE]]),
    ("ingress.alb.webAclArn", ["tenantry", CERTIFICATE, "arn:aws:waf::123456789012:webacl/1"], ["", ACL]),
    ("ingress.alb.prefixLists", [["3b927c52"], ["pl-xyz"], ["pl-3b927c5"]], [["pl-0123456789abcdef0"]]),
    # Variables and settings.
    (
        "gateway.extraEnv",
        [[{"name": "A B"}], [{"name": ""}], [{"name": "1A"}], [{"value": "a"}], [{"name": "A", "value": 1}],
         [{"name": "A", "value": "b", "valueFrom": REFERENCE}], [{"name": "A", "valueFrom": {"secretRef": {}}}],
         [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a"}}}], [{"name": "A=b"}], {"A": "b"}],
        [[VARIABLE, {"name": "B", "valueFrom": REFERENCE}, {"name": "C"}]],
    ),
    ("gateway.settings.GATEWAY_LOG_LEVEL", ["LOUD", "debug", ""], ["DEBUG"]),
    ("gateway.settings.GATEWAY_REQUEST_CONCURRENCY", ["0", "many", "1.5", "-1", ""], ["400"]),
    ("gateway.settings.GATEWAY_CHUNK_TOKENS", ["15", "2049", "360 "], ["2048"]),
    ("gateway.settings.GATEWAY_TRASH_DAYS", ["0", "3651", "a month"], ["0.5", "3650"]),
    ("gateway.settings.GATEWAY_METRICS_BY_TENANT", ["yes please", ""], ["true"]),
    ("gateway.settings.GATEWAY_CHAT_FALLBACKS", ["model-a,model-b"], ['["model-a"]']),
    ("file-sync.settings.FILE_SYNC_POLL_INTERVAL_SECONDS", ["0", "5s"], ["0.5"]),
    ("operator.settings.OPERATOR_CONCURRENCY", ["257", "0"], ["256"]),
    ("monitoring.labels", [{"a b": "c"}, {"a": "b c"}, {"a": 1}], [{"release": "prom"}]),
]  # fmt: skip
"""Paths, wrong values and right values."""


def set_values(values: dict[str, Any]) -> str:
    """Render the production profile with the values and return helm's refusal, empty if it accepts them."""
    options = [part for path, value in values.items() for part in ("--set-json", f"{path}={json.dumps(value)}")]
    try:
        render(PRODUCTION, *options)
    except HelmError as exc:
        return str(exc)
    return ""


def list_rounds(column: int) -> list[dict[str, Any]]:
    """Return the first value of all paths, then the second value of all paths, and so on."""
    rounds = itertools.zip_longest(*(row[column] for row in VALUES), fillvalue=None)
    return [
        {path: value for (path, *_), value in zip(VALUES, values, strict=True) if value is not None}
        for values in rounds
    ]


@pytest.mark.parametrize("values", list_rounds(1), ids=lambda values: f"{len(values)}-values")
def test_wrong_values_are_refused_with_their_paths(values: dict[str, Any]) -> None:
    refusal = set_values(values)
    assert [path for path in values if f"at '/{path.replace('.', '/')}" not in refusal] == []


@pytest.mark.parametrize("values", list_rounds(2), ids=lambda values: f"{len(values)}-values")
def test_right_values_agree_with_the_schema(values: dict[str, Any]) -> None:
    """Templates may still refuse these values, because they contradict other values of the profile."""
    assert "specifications of the schema" not in set_values(values)


def test_the_schema_explains_what_it_expects() -> None:
    refusal = set_values({"global.network.aws.cidrs": ["10.0.0.0/33"], "global.keycloak.url": "login.example.com"})
    assert "at '/global/network/aws/cidrs/0': value must be 'a block of addresses, such as 10.0.20.0/24" in refusal
    assert "at '/global/keycloak/url': value must be 'the URL of Keycloak" in refusal
    assert "does not match pattern" not in refusal


@pytest.mark.parametrize("path", ["global.network.aws", "global.aws.region", "ingress.className"])
def test_a_removed_default_is_refused_by_name(path: str) -> None:
    assert f"missing property '{path.rpartition('.')[2]}'" in set_values({path: None})


def test_an_empty_list_may_be_null() -> None:
    assert set_values({"global.imagePullSecrets": None}) == ""


@pytest.mark.parametrize(("low", "high"), [(0, 32), (0, 128), (1, 9), (16, 2048), (1, 65535), (95, 105), (100, 999)])
def test_the_pattern_of_a_range_matches_only_its_numbers(low: int, high: int) -> None:
    pattern = re.compile(build_range_pattern(low, high))
    matched = {number for number in range(70_000) if pattern.fullmatch(str(number))}
    assert matched == set(range(low, high + 1))
