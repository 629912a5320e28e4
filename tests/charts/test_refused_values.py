"""Tests of values that contradict each other: helm refuses them with a sentence that names both."""

import json
import re
from typing import Any

import pytest
import yaml

from tests.support.charts.rendering import PROFILES, HelmError, lint, render
from tools.chart_schema import CHART, SERVICES

PRODUCTION = "values-eks-prod.yaml"
KIND = "values-kind.yaml"

Values = dict[str, Any]
"""Values by their path."""

ACCOUNT = "123456789012"
GATEWAY_ROLE = r"gateway.serviceAccount.annotations.eks\.amazonaws\.com/role-arn"
OPERATOR_ROLE = r"operator.serviceAccount.annotations.eks\.amazonaws\.com/role-arn"
CERTIFICATE = f"arn:aws:acm:eu-west-1:{ACCOUNT}:certificate/1111-2222"
WEB_ACL = f"arn:aws:wafv2:us-east-1:{ACCOUNT}:global/webacl/tenantry/1111-2222"
PLAIN_INGRESS: Values = {
    "ingress.className": "contour",
    "ingress.alb.prefixLists": [],
    "ingress.alb.webAclArn": "",
    "ingress.tlsSecret": "chat-tls",
}
KIND_INGRESS: Values = {
    "ingress.enabled": True,
    "ingress.className": "contour",
    "global.openWebui.url": "http://chat.test",
}
MEMORY_BELOW_REQUEST: Values = {
    "n8n.initialScale.resources": {
        "requests": {"cpu": "1", "memory": "1Gi"},
        "limits": {"cpu": "999m", "memory": "1Gi"},
    }
}


def make_volumes(*names: str) -> list[Values]:
    """Return additional volumes."""
    return [{"name": name, "emptyDir": {}} for name in names]


def make_mount(name: str, path: str = "/extra", **fields: str) -> Values:
    """Return an additional mount."""
    return {"name": name, "mountPath": path, **fields}


def set_variable(part: str, name: str) -> Values:
    """Return values that add a variable to a part."""
    return {f"{part}.extraEnv": [{"name": name, "value": "x"}]}


INDEPENDENT: list[tuple[str, Values, list[str]]] = [
    # Numbers of pods.
    (
        PRODUCTION,
        {"gateway.autoscaling.minReplicas": 11},
        ["gateway.autoscaling.minReplicas (11)", "gateway.autoscaling.maxReplicas (10)"],
    ),
    (
        PRODUCTION,
        {"n8n.webhook.autoscaling.maxReplicas": 1},
        ["n8n.webhook.autoscaling.minReplicas (2)", "n8n.webhook.autoscaling.maxReplicas (1)"],
    ),
    (
        PRODUCTION,
        {"qdrant.autoscaling.minReplicas": 6},
        ["qdrant.autoscaling.minReplicas (6)", "qdrant.autoscaling.maxReplicas (5)"],
    ),
    (
        PRODUCTION,
        {"n8n.worker.autoscaling.initialReplicas": 21},
        ["n8n.worker.autoscaling.initialReplicas (21)", "n8n.worker.autoscaling.maxReplicas (20)"],
    ),
    (
        PRODUCTION,
        {"n8n.worker.autoscaling.initialReplicas": 1},
        ["n8n.worker.autoscaling.initialReplicas (1)", "n8n.worker.autoscaling.minReplicas (2)"],
    ),
    (
        PRODUCTION,
        {"gateway.embeddingsPerMinute": 9},
        ["gateway.embeddingsPerMinute (9)", "gateway.autoscaling.maxReplicas (10)"],
    ),
    (
        PRODUCTION,
        {"gateway.embeddingTokensPerMinute": 9},
        ["gateway.embeddingTokensPerMinute (9)", "gateway.autoscaling.maxReplicas (10)"],
    ),
    # Requests, limits and volumes.
    (
        PRODUCTION,
        {"gateway.resources.limits.memory": "1023Mi"},
        ["gateway.resources.requests.memory (1Gi)", "gateway.resources.limits.memory (1023Mi)"],
    ),
    (
        PRODUCTION,
        MEMORY_BELOW_REQUEST,
        ["n8n.initialScale.resources.requests.cpu (1)", "n8n.initialScale.resources.limits.cpu (999m)"],
    ),
    (
        PRODUCTION,
        {"qdrant.resources.requests.memory": "8.6e9"},
        ["qdrant.resources.requests.memory (8.6e9)", "qdrant.resources.limits.memory (8Gi)"],
    ),
    (
        PRODUCTION,
        {"open-webui.resources.limits.cpu": 0.5},
        ["open-webui.resources.requests.cpu (1)", "open-webui.resources.limits.cpu (0.5)"],
    ),
    (
        PRODUCTION,
        {"operator.resources.requests.memory": "512"},
        ["operator.resources.requests.memory (512)", "512Mi"],
    ),
    (PRODUCTION, {"operator.resources.requests.cpu": 500}, ["operator.resources.requests.cpu (500)", "500m"]),
    (PRODUCTION, {"qdrant.storage.size": "100"}, ["qdrant.storage.size (100)", "100Gi"]),
    # Grace periods.
    (
        PRODUCTION,
        {"n8n.main.terminationGracePeriodSeconds": 20},
        ["n8n.main.terminationGracePeriodSeconds (20)", "global.drainSeconds (10)"],
    ),
    (
        PRODUCTION,
        {"n8n.worker.terminationGracePeriodSeconds": 629},
        ["n8n.worker.terminationGracePeriodSeconds (629)", "global.drainSeconds (10)"],
    ),
    (
        PRODUCTION,
        {"n8n.webhook.terminationGracePeriodSeconds": 10},
        ["n8n.webhook.terminationGracePeriodSeconds (10)", "global.drainSeconds (10)"],
    ),
    (
        PRODUCTION,
        {"gateway.terminationGracePeriodSeconds": 104},
        ["gateway.terminationGracePeriodSeconds (104)", "global.drainSeconds (10)"],
    ),
    (
        PRODUCTION,
        {"open-webui.terminationGracePeriodSeconds": 99},
        ["open-webui.terminationGracePeriodSeconds (99)", "global.drainSeconds (10)"],
    ),
    (
        PRODUCTION,
        {"qdrant.terminationGracePeriodSeconds": 10},
        ["qdrant.terminationGracePeriodSeconds (10)", "global.drainSeconds (10)"],
    ),
    # Variables.
    (PRODUCTION, set_variable("gateway", "GATEWAY_BUCKET"), ["gateway.extraEnv", "GATEWAY_BUCKET"]),
    (
        PRODUCTION,
        set_variable("gateway", "GATEWAY_REDIS_URL"),
        ["gateway.extraEnv", "GATEWAY_REDIS_URL", "tenantry-gateway", "redis-url"],
    ),
    (PRODUCTION, set_variable("operator", "AWS_DEFAULT_REGION"), ["operator.extraEnv", "AWS_DEFAULT_REGION"]),
    (PRODUCTION, set_variable("file-sync", "FILE_SYNC_HOST"), ["file-sync.extraEnv", "FILE_SYNC_HOST"]),
    (PRODUCTION, set_variable("n8n", "EXECUTIONS_MODE"), ["n8n.extraEnv", "EXECUTIONS_MODE"]),
    (
        PRODUCTION,
        set_variable("n8n", "QUEUE_HEALTH_CHECK_PORT"),  # only of workers
        ["n8n.extraEnv", "QUEUE_HEALTH_CHECK_PORT"],
    ),
    (
        PRODUCTION,
        set_variable("open-webui", "ENABLE_ADMIN_CHAT_ACCESS"),
        ["open-webui.extraEnv", "ENABLE_ADMIN_CHAT_ACCESS"],
    ),
    (
        PRODUCTION,
        set_variable("qdrant", "QDRANT__SERVICE__API_KEY"),
        ["qdrant.extraEnv", "QDRANT__SERVICE__API_KEY"],
    ),
    (KIND, set_variable("keycloak", "KC_HOSTNAME"), ["keycloak.extraEnv", "KC_HOSTNAME"]),
    (
        PRODUCTION,
        {"gateway.extraEnv": [{"name": "HTTPS_PROXY", "value": "a"}, {"name": "HTTPS_PROXY", "value": "b"}]},
        ["gateway.extraEnv has HTTPS_PROXY twice"],
    ),
    (
        PRODUCTION,
        {
            "gateway.settings.GATEWAY_CHAT_MODEL": "a",
            "gateway.extraEnv": [{"name": "GATEWAY_CHAT_MODEL", "value": "b"}],
        },
        ["gateway.extraEnv", "gateway.settings", "GATEWAY_CHAT_MODEL"],
    ),
    # Volumes and mounts.
    *(
        (
            PRODUCTION,
            {f"{path}.extraVolumeMounts": [make_mount("absent")]},
            [f"{path}.extraVolumeMounts has the name absent", f"{path}.extraVolumes"],
        )
        for path in (
            "operator",
            "file-sync",
            "file-sync.grants",
            "n8n.main",
            "n8n.worker",
            "n8n.install",
            "n8n.initialScale",
            "open-webui.install",
            "qdrant.snapshots",
            "databases",
            "smokeTest",
        )
    ),
    (
        PRODUCTION,
        {"n8n.webhook.extraVolumes": make_volumes("a", "a")},
        ["n8n.webhook.extraVolumes has the name a"],
    ),
    (
        PRODUCTION,
        {"gateway.extraVolumes": make_volumes("tickets")},
        ["gateway.extraVolumes has the name tickets"],
    ),
    (
        PRODUCTION,
        {
            "open-webui.extraVolumes": make_volumes("scratch"),
            "open-webui.extraVolumeMounts": [make_mount("scratch", "/tmp")],
        },
        ["open-webui.extraVolumeMounts has the path /tmp"],
    ),
    *(
        (
            "values-kind.yaml",
            {f"{part}.extraVolumes": make_volumes("data")},
            [f"{part}.extraVolumes has the name data"],
        )
        for part in ("qdrant", "postgres", "redis")
    ),
    (
        "values-kind.yaml",
        {
            "keycloak.extraVolumes": make_volumes("scratch"),
            "keycloak.extraVolumeMounts": [make_mount("scratch", "/build")],
        },
        ["keycloak.extraVolumeMounts has the path /build"],
    ),
    *(
        (
            PRODUCTION,
            {f"{part}.nodeSelector": {"topology.kubernetes.io/zone": "us-east-1a"}},
            ["qdrant.autoscaling.minReplicas", "qdrant.nodeSelector", "the zone us-east-1a"],
        )
        for part in ("qdrant", "global")
    ),
    # Addresses.
    (
        PRODUCTION,
        {"global.network.loadBalancer.cidrs": ["fd00::1/64"]},
        ["global.network.loadBalancer.cidrs", "fd00::/64", "fd00::1/128"],
    ),
    (
        PRODUCTION,
        {"global.network.kubernetes.cidrs": ["2001:db8:0:1::/60"]},
        ["global.network.kubernetes.cidrs", "2001:db8::/60"],
    ),
    (
        PRODUCTION,
        {"global.network.aws.podIdentityCidrs": ["1:2:3:4:5:6:7:8/0"]},
        ["global.network.aws.podIdentityCidrs", "Write 0::/0"],
    ),
    (
        PRODUCTION,
        {"n8n.postgres.host": "10.0.22.5"},
        ["n8n.postgres.host (10.0.22.5)", "global.network.postgres.cidrs (10.0.20.0/24, 10.0.21.0/24)"],
    ),
    (PRODUCTION, {"n8n.redis.host": "fd00::5"}, ["n8n.redis.host (fd00::5)", "global.network.redis.cidrs"]),
    (PRODUCTION, {"databases.host": "10.1.20.5"}, ["databases.host", "global.network.postgres.cidrs"]),
    # Settings.
    (
        PRODUCTION,
        {"gateway.settings.GATEWAY_CHUNK_TOKENS": "54"},
        ["gateway.settings.GATEWAY_CHUNK_OVERLAP_TOKENS (54)", "gateway.settings.GATEWAY_CHUNK_TOKENS (54)"],
    ),
    (
        PRODUCTION,
        {"file-sync.settings.FILE_SYNC_INGEST_TIMEOUT_SECONDS": "600"},
        [
            "gateway.settings.GATEWAY_INGEST_TIMEOUT_SECONDS",
            "file-sync.settings.FILE_SYNC_INGEST_TIMEOUT_SECONDS",
        ],
    ),
    (
        PRODUCTION,
        {"file-sync.settings.FILE_SYNC_DOCUMENT_BYTES": "52428801"},
        ["file-sync.settings.FILE_SYNC_DOCUMENT_BYTES", "gateway.settings.GATEWAY_DOCUMENT_BYTES"],
    ),
    (
        PRODUCTION,
        {"file-sync.settings.FILE_SYNC_POLL_INTERVAL_SECONDS": "901"},
        [
            "file-sync.settings.FILE_SYNC_POLL_INTERVAL_SECONDS",
            "file-sync.settings.FILE_SYNC_FULL_SYNC_INTERVAL_SECONDS",
        ],
    ),
    (
        PRODUCTION,
        {"operator.settings.OPERATOR_RETRY_DELAY_SECONDS": "61"},
        [
            "operator.settings.OPERATOR_RETRY_DELAY_SECONDS",
            "operator.settings.OPERATOR_RETRY_MAX_DELAY_SECONDS",
        ],
    ),
    (
        PRODUCTION,
        {"gateway.settings.GATEWAY_INGEST_TIMEOUT_SECONDS": "610"},
        ["gateway.settings.GATEWAY_INGEST_TIMEOUT_SECONDS (610)", "n8n.enabled"],
    ),
    (
        PRODUCTION,
        {"gateway.settings.GATEWAY_REQUEST_TIMEOUT_SECONDS": "100"},
        ["gateway.settings.GATEWAY_REQUEST_TIMEOUT_SECONDS (100)", "n8n.enabled"],
    ),
]
"""Contradictions that do not hide each other, so that one call of helm reports several of them."""

CONTRADICTIONS: list[tuple[str, Values, list[str]]] = [
    (
        PRODUCTION,
        {"global.drainSeconds": 60},
        ["file-sync.terminationGracePeriodSeconds (30)", "global.drainSeconds (60)"],
    ),
    # Parts in this release and elsewhere.
    (PRODUCTION, {"global.keycloak.url": ""}, ["keycloak.enabled is false", "global.keycloak.url is empty"]),
    (
        PRODUCTION,
        {"global.network.keycloak.cidrs": []},
        ["keycloak.enabled is false", "global.network.keycloak.cidrs is empty"],
    ),
    (PRODUCTION, {"n8n.postgres.host": ""}, ["postgres.enabled is false", "n8n.postgres.host is empty"]),
    (PRODUCTION, {"n8n.redis.host": ""}, ["redis.enabled is false", "n8n.redis.host is empty"]),
    (
        PRODUCTION,
        {
            "qdrant.enabled": False,
            "global.qdrant.url": "http://qdrant.example.com",
            "global.qdrant.tlsSecret": "qdrant-tls",
            "global.network.qdrant.port": 80,
            "global.network.qdrant.cidrs": ["10.0.9.0/24"],
        },
        ["global.qdrant.tlsSecret is qdrant-tls", "global.qdrant.url (http://qdrant.example.com) has no TLS"],
    ),
    (PRODUCTION, {"qdrant.enabled": False}, ["qdrant.enabled is false", "global.qdrant.url is empty"]),
    (
        PRODUCTION,
        {"global.qdrant.url": "https://qdrant.example.com"},
        ["qdrant.enabled is true", "global.qdrant.url (https://qdrant.example.com)"],
    ),
    (
        PRODUCTION,
        {"keycloak.enabled": True},
        ["keycloak.enabled is true", "global.keycloak.url (https://login.example.com)", "Set it to 8080"],
    ),
    (
        KIND,
        {"n8n.postgres.host": "db.example.com"},
        ["postgres.enabled is true", "n8n.postgres.host (db.example.com)"],
    ),
    (
        KIND,
        {"keycloak.postgres.host": "db.example.com"},
        ["postgres.enabled is true", "keycloak.postgres.host (db.example.com)"],
    ),
    (KIND, {"n8n.redis.host": "a.example.com"}, ["redis.enabled is true", "n8n.redis.host (a.example.com)"]),
    (
        KIND,
        {"postgres.enabled": False},
        ["postgres.enabled is false", "keycloak.postgres.host is empty", "n8n.postgres.host is empty"],
    ),
    (
        KIND,
        {"global.network.keycloak.port": 443},
        ["keycloak.enabled", "global.network.keycloak.port is 443"],
    ),
    (
        KIND,
        {"global.network.postgres.port": 5433},
        ["postgres.enabled", "global.network.postgres.port is 5433"],
    ),
    (KIND, {"global.network.redis.port": 6380}, ["redis.enabled", "global.network.redis.port is 6380"]),
    (KIND, {"global.postgres.tls.enabled": True}, ["postgres.enabled", "global.postgres.tls.enabled"]),
    (KIND, {"global.redis.tls.enabled": True}, ["redis.enabled", "global.redis.tls.enabled"]),
    (
        PRODUCTION,
        {"global.postgres.tls.caConfigMap": ""},
        ["global.postgres.tls.enabled", "global.postgres.tls.caConfigMap"],
    ),
    (
        PRODUCTION,
        {"global.openWebui.adminEmail": ""},
        ["open-webui.enabled", "global.openWebui.adminEmail is empty"],
    ),
    (
        PRODUCTION,
        {"open-webui.enabled": False},
        ["open-webui.enabled is false", "global.openWebui.adminEmail", "ingress.enabled is true"],
    ),
    (PRODUCTION, {"n8n.enabled": False}, ["n8n.enabled is false", "open-webui.orchestrator"]),
    (
        PRODUCTION,
        {"qdrant.image.tag": "v1.19.1"},
        ["qdrant.image.tag (v1.19.1)", "qdrant.image.repository (qdrant/qdrant)", "v1.19.1-unprivileged"],
    ),
    # URLs and network policies.
    (
        PRODUCTION,
        {"global.keycloak.url": "https://login.example.com:8443"},
        ["global.keycloak.url (https://login.example.com:8443)", "global.network.keycloak.port (443)"],
    ),
    (
        PRODUCTION,
        {"global.keycloak.url": "http://login.example.com"},
        ["has the port 80", "global.network.keycloak.port (443)"],
    ),
    (
        PRODUCTION,
        {
            "qdrant.enabled": False,
            "global.qdrant.url": "https://qdrant.example.com:6333",
            "global.network.qdrant.cidrs": ["10.0.30.0/24"],
        },
        ["global.qdrant.url (https://qdrant.example.com:6333)", "global.network.qdrant.port (443)"],
    ),
    (
        PRODUCTION,
        {"global.keycloak.url": "https://chat.example.com"},
        ["global.keycloak.url and global.openWebui.url both are https://chat.example.com"],
    ),
    (
        PRODUCTION,
        {"global.keycloak.url": "https://login.example.com:443"},
        ["global.keycloak.url ends in :443"],
    ),
    (
        PRODUCTION,
        {"global.network.postgres.cidrs": ["10.0.20.5/24"]},
        ["global.network.postgres.cidrs", "10.0.20.0/24", "10.0.20.5/32"],
    ),
    (
        PRODUCTION,
        {"global.network.kubernetes.serviceCidrs": ["255.255.255.255/1"]},
        ["global.network.kubernetes.serviceCidrs", "128.0.0.0/1"],
    ),
    # The Ingress.
    (PRODUCTION, {"global.openWebui.url": ""}, ["ingress.enabled is true", "global.openWebui.url is empty"]),
    (
        PRODUCTION,
        {"global.openWebui.url": "https://10.0.0.1"},
        ["ingress.enabled is true", "global.openWebui.url (https://10.0.0.1)"],
    ),
    (
        PRODUCTION,
        {"global.openWebui.url": "http://chat.example.com"},
        ["global.openWebui.url (http://chat.example.com)", "ingress.className"],
    ),
    (
        PRODUCTION,
        {"global.openWebui.url": "https://chat.example.com:8443"},
        ["global.openWebui.url (https://chat.example.com:8443)", "ingress.className"],
    ),
    (PRODUCTION, {"ingress.tlsSecret": "chat"}, ["ingress.tlsSecret", "ingress.alb.certificateArns"]),
    (
        PRODUCTION,
        {"ingress.alb.inboundCidrs": [], "ingress.alb.prefixLists": []},
        ["ingress.alb.inboundCidrs", "ingress.alb.prefixLists"],
    ),
    (
        PRODUCTION,
        {"ingress.alb.inboundCidrs": ["198.51.100.0/24"]},
        ["ingress.alb.inboundCidrs (198.51.100.0/24)", "ingress.alb.prefixLists (pl-3b927c52)"],
    ),
    (
        "values-eks-dev.yaml",
        {"ingress.alb.scheme": "internal"},
        ["ingress.alb.scheme", "ingress.alb.inboundCidrs", "198.51.100.0/24"],
    ),
    (PRODUCTION, {"ingress.alb.webAclArn": WEB_ACL}, ["ingress.alb.webAclArn", "ingress.className"]),
    (PRODUCTION, {"ingress.className": "contour"}, ["ingress.alb.prefixLists", "ingress.className"]),
    (
        KIND,
        {**KIND_INGRESS, "ingress.alb.sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06"},
        ["ingress.alb.sslPolicy", "ingress.className"],
    ),
    (
        KIND,
        {**KIND_INGRESS, "ingress.alb.inboundCidrs": ["198.51.100.0/24"]},
        ["ingress.alb.inboundCidrs", "ingress.className"],
    ),
    (KIND, {**KIND_INGRESS, "ingress.alb.scheme": "internal"}, ["ingress.alb.scheme", "ingress.className"]),
    (
        KIND,
        {**KIND_INGRESS, "ingress.tlsSecret": "chat-tls"},
        ["ingress.tlsSecret", "global.openWebui.url (http://chat.test)"],
    ),
    *(
        (
            PRODUCTION,
            {"ingress.annotations": {f"alb.ingress.kubernetes.io/{annotation}": "x"}},
            [f"alb.ingress.kubernetes.io/{annotation}", f"ingress.alb.{value}"],
        )
        for annotation, value in (("scheme", "scheme"), ("wafv2-acl-arn", "webAclArn"))
    ),
    *(
        (
            PRODUCTION,
            {"ingress.annotations": {f"alb.ingress.kubernetes.io/{annotation}": value}},
            [f"alb.ingress.kubernetes.io/{annotation}", *names],
        )
        for annotation, value, names in (
            ("load-balancer-attributes", "a=b, idle_timeout.timeout_seconds=60", ["idle_timeout"]),
            ("target-group-attributes", "stickiness.enabled=true", ["stickiness.enabled"]),
            ("security-groups", "sg-1", ["ingress.alb.inboundCidrs", "ingress.alb.prefixLists"]),
        )
    ),
    # Snapshots.
    *(
        (
            PRODUCTION,
            {"qdrant.snapshots.schedule": schedule},
            [f"qdrant.snapshots.schedule ({schedule})", "eight days", "monitoring.enabled"],
        )
        for schedule in (
            "0 3 1 * *",
            "0 3 31 2 *",
            "0 3 * JAN 0",
            "0 3 1,15 * *",
            "0 3 1-3 * *",
            "0 3 */10 * *",
            "0 3 2-30/9 * *",
        )
    ),
    *(
        (
            PRODUCTION,
            {"qdrant.snapshots.schedule": schedule},
            [f"qdrant.snapshots.schedule ({schedule})", f"ends before it begins ({ranges})"],
        )
        for schedule, ranges in (
            ("0 5-3 * * *", "5-3"),
            ("0 3 * * 6-0", "6-0"),
            ("0 3 * * fri-mon", "5-1"),
            ("30-10/5 3 9-2 DEC-FEB *", "30-10/5, 9-2, 12-2"),
        )
    ),
    *(
        (
            PRODUCTION,
            {"qdrant.snapshots.schedule": schedule},
            [
                "qdrant.snapshots.activeDeadlineSeconds (21600)",
                f"{seconds} seconds",
                f"schedule ({schedule})",
            ],
        )
        for schedule, seconds in (
            ("0 1,2 * * *", 3600),
            ("0 1-20/5 * * *", 18000),
            ("0 1,23 * * *", 7200),
            ("0,50 3 * * 0", 3000),
            ("15,45 2-4 */2 * MON-FRI", 1800),
        )
    ),
    (
        PRODUCTION,
        {"qdrant.snapshots.schedule": "0 */3 * * *"},
        ["qdrant.snapshots.activeDeadlineSeconds (21600)", "10800 seconds", "schedule (0 */3 * * *)"],
    ),
    (
        PRODUCTION,
        {"qdrant.snapshots.schedule": "*/30 * * * *", "qdrant.snapshots.activeDeadlineSeconds": 1801},
        ["qdrant.snapshots.activeDeadlineSeconds (1801)", "1800 seconds"],
    ),
    # Models.
    *(
        (
            "values-eks-dev.yaml",
            {"global.aws.region": region, "gateway.settings.GATEWAY_CHAT_MODEL": f"{geography}.a.model"},
            [f"GATEWAY_CHAT_MODEL ({geography}.a.model)", f"global.aws.region is {region}"],
        )
        for region, geography in (
            ("ap-northeast-1", "eu"),
            ("eu-central-1", "apac"),
            ("us-east-1", "jp"),
            ("sa-east-1", "us"),
        )
    ),
    (
        "values-eks-dev.yaml",
        {"global.aws.region": "eu-central-1"},
        [
            "GATEWAY_CHAT_MODEL (us.anthropic.claude-sonnet-4-6, the default)",
            "global.aws.region is eu-central-1",
        ],
    ),
    (
        PRODUCTION,
        {"gateway.settings.GATEWAY_CHAT_FALLBACKS": '["global.a.model", "eu.a.model"]'},
        ["GATEWAY_CHAT_FALLBACKS (eu.a.model)", "global.aws.region is us-east-1"],
    ),
    (
        PRODUCTION,
        {"gateway.extraEnv": [{"name": "GATEWAY_CHAT_MODEL", "value": "eu.a.model"}]},
        ["GATEWAY_CHAT_MODEL (eu.a.model)", "global.aws.region is us-east-1"],
    ),
    (
        PRODUCTION,
        {"gateway.settings.GATEWAY_CHAT_FALLBACKS": '["us.anthropic.claude-sonnet-4-6"]'},
        ["GATEWAY_CHAT_FALLBACKS contains us.anthropic.claude-sonnet-4-6"],
    ),
    # Other parts.
    (PRODUCTION, {"keycloak.demo": True}, ["keycloak.demo is true", "keycloak.enabled is false"]),
    (KIND, {"databases.keycloak": True}, ["databases.keycloak is true", "keycloak.enabled is true"]),
    (
        PRODUCTION,
        {"global.keycloak.url": "https://10.0.30.5", "global.network.keycloak.cidrs": ["10.0.40.0/24"]},
        ["global.keycloak.url (https://10.0.30.5)", "global.network.keycloak.cidrs (10.0.40.0/24)"],
    ),
    (
        PRODUCTION,
        {
            "qdrant.enabled": False,
            "global.qdrant.url": "https://[fd00::5]",
            "global.network.qdrant.cidrs": ["fd01::/64"],
        },
        ["global.qdrant.url (https://[fd00::5])", "global.network.qdrant.cidrs (fd01::/64)"],
    ),
    # AWS.
    (
        PRODUCTION,
        {"open-webui.extraEnv": [{"name": "AWS_REGION", "value": "eu-west-1"}]},
        ["open-webui.extraEnv has AWS_REGION (eu-west-1)", "global.aws.region is us-east-1"],
    ),
    (
        PRODUCTION,
        {"global.aws.filesBucket": "digital-twin-docs-prod"},
        ["global.aws.documentsBucket", "global.aws.filesBucket"],
    ),
    (
        PRODUCTION,
        {"ingress.alb.certificateArns": [CERTIFICATE]},
        ["ingress.alb.certificateArns", "eu-west-1", "global.aws.region"],
    ),
    (PRODUCTION, {"global.aws.region": "us-west-2"}, ["ingress.alb.webAclArn", "global.aws.region"]),
    (
        PRODUCTION,
        {"global.aws.region": "us-gov-west-1"},
        ["global.aws.tenantRoleArn", "gateway.modelRoleArn", "aws-us-gov", "global.aws.region"],
    ),
    (
        PRODUCTION,
        {"global.aws.tenantRoleArn": f"arn:aws-cn:iam::{ACCOUNT}:role/a"},
        ["global.aws.tenantRoleArn", "aws-cn", "global.aws.region"],
    ),
    (
        PRODUCTION,
        {"gateway.settings.GATEWAY_CHAT_MODEL": f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:inference-profile/a"},
        ["gateway.settings.GATEWAY_CHAT_MODEL", "global.aws.region"],
    ),
    (
        PRODUCTION,
        {"gateway.modelRoleArn": f"arn:aws:iam::{ACCOUNT}:role/tenantry-tenant"},
        ["gateway.modelRoleArn", "global.aws.tenantRoleArn"],
    ),
    (
        PRODUCTION,
        {GATEWAY_ROLE: f"arn:aws:iam::{ACCOUNT}:role/a", OPERATOR_ROLE: f"arn:aws:iam::{ACCOUNT}:role/a"},
        ["gateway.serviceAccount.annotations", "operator.serviceAccount.annotations"],
    ),
    # Databases and Secrets.
    (KIND, {"keycloak.postgres.database": "n8n"}, ["n8n.postgres.database", "keycloak.postgres.database"]),
    (KIND, {"n8n.postgres.user": "keycloak"}, ["n8n.postgres.user", "keycloak.postgres.user"]),
    (KIND, {"n8n.postgres.database": "workflows"}, ["n8n.postgres.database", "postgres.enabled"]),
    (KIND, {"n8n.redis.database": 16}, ["n8n.redis.database", "redis.enabled"]),
    (
        PRODUCTION,
        {"externalSecrets.enabled": True},
        ["externalSecrets.enabled", "externalSecrets.store.name is empty"],
    ),
    (
        PRODUCTION,
        {
            "externalSecrets.enabled": True,
            "externalSecrets.store.name": "aws",
            "global.secretsStore.enabled": True,
        },
        ["externalSecrets.enabled", "global.secretsStore.enabled"],
    ),
    (
        PRODUCTION,
        {"file-sync.existingSecret": "tenantry-open-webui"},
        ["file-sync.existingSecret", "open-webui.existingSecret", "database-url"],
    ),
    (
        PRODUCTION,
        {"file-sync.grants.existingSecret": "tenantry-file-sync"},
        ["file-sync.existingSecret", "file-sync.grants.existingSecret", "database-url"],
    ),
    (
        PRODUCTION,
        {"gateway.existingSecret": "tenantry-operator"},
        ["gateway.existingSecret", "operator.existingSecret", "redis-url"],
    ),
    (
        KIND,
        {"n8n.existingSecret": "tenantry-keycloak"},
        ["n8n.existingSecret", "keycloak.existingSecret", "postgres-password"],
    ),
    (
        KIND,
        {"n8n.worker.autoscaling.source": "keda"},
        ["n8n.worker.autoscaling.source is keda", "global.network.kedaNamespace is empty"],
    ),
    (
        KIND,
        {"global.network.kedaNamespace": "keda"},
        ["global.network.kedaNamespace is keda", "n8n.worker.autoscaling.source is prometheus-adapter"],
    ),
    # Monitoring.
    (
        KIND,
        {"monitoring.enabled": True},
        ["monitoring.enabled", "global.network.monitoringNamespace"],
    ),
    (PRODUCTION, {"monitoring.interval": "5m"}, ["monitoring.interval (5m)", "monitoring.enabled"]),
]
"""A profile, values that are refused together with it, and what the message names."""

NEIGHBOURS: list[tuple[str, Values]] = [
    (PRODUCTION, {"gateway.autoscaling.minReplicas": 10}),
    (PRODUCTION, {"n8n.worker.autoscaling.initialReplicas": 20}),
    (PRODUCTION, {"n8n.worker.autoscaling.initialReplicas": 2}),
    (PRODUCTION, {"gateway.embeddingsPerMinute": 10}),
    (PRODUCTION, {"gateway.resources.limits.memory": "1024Mi", "gateway.resources.limits.cpu": "1000m"}),
    (PRODUCTION, {"gateway.resources.requests.cpu": 1, "gateway.resources.limits.cpu": 1.0}),
    (PRODUCTION, {"gateway.resources.requests": {"cpu": "1e0", "memory": "2147483648"}}),
    (PRODUCTION, {"n8n.worker.terminationGracePeriodSeconds": 630}),
    (PRODUCTION, {"n8n.main.terminationGracePeriodSeconds": 21}),
    (PRODUCTION, {"global.drainSeconds": 20}),
    (PRODUCTION, {"global.keycloak.url": "https://chat.example.com/auth"}),
    (
        PRODUCTION,
        {"global.keycloak.url": "https://login.example.com:8443", "global.network.keycloak.port": 8443},
    ),
    (PRODUCTION, {"global.network.postgres.cidrs": ["10.0.20.5/32", "10.0.20.0/22", "fd00::1/128"]}),
    (PRODUCTION, {"global.network.postgres.cidrs": ["2001:db8:0:10::/60", "::/0", "fd00:0:0:1::/64"]}),
    (PRODUCTION, {"n8n.postgres.host": "10.0.21.255", "n8n.redis.host": "10.0.20.0"}),
    (PRODUCTION, {"n8n.redis.host": "fd00::5", "global.network.redis.cidrs": ["10.0.20.0/24", "fd00::/64"]}),
    (PRODUCTION, {"n8n.postgres.host": "db.example.com", "databases.host": "10.0.20.9"}),
    (PRODUCTION, {"global.keycloak.url": "https://10.0.30.5"}),
    (
        PRODUCTION,
        {
            "gateway.extraVolumes": make_volumes("tmp2", "shared"),
            "gateway.extraVolumeMounts": [
                make_mount("tmp2"),
                make_mount("shared", "/b"),
                make_mount("tmp", "/c"),
            ],
            # Other pods have volumes of these names.
            "operator.extraVolumes": make_volumes("data", "tls"),
            "operator.extraVolumeMounts": [make_mount("data", "/qdrant/storage", subPath="a/b")],
            "qdrant.extraVolumes": make_volumes("unused"),
            "qdrant.extraVolumeMounts": [make_mount("data", "/second", subPathExpr="$(A)")],
        },
    ),
    (PRODUCTION, {"qdrant.snapshots.schedule": "0 */6 * * *"}),
    (
        PRODUCTION,
        {
            "qdrant.snapshots.schedule": "15,45 2-4 */2 * mon-FRI",
            "qdrant.snapshots.activeDeadlineSeconds": 1800,
        },
    ),
    (PRODUCTION, {"qdrant.snapshots.schedule": "0 3 */7 * *"}),
    (PRODUCTION, {"qdrant.snapshots.schedule": "0 3 1,9,17,25 * *"}),
    (PRODUCTION, {"qdrant.snapshots.schedule": "0 1,23 * * 0"}),
    (PRODUCTION, {"qdrant.snapshots.schedule": "0 3 1 * 0"}),  # in cron, one of both days is enough
    (PRODUCTION, {"qdrant.snapshots.schedule": "0 3 1 * *", "monitoring.enabled": False}),
    (PRODUCTION, {"qdrant.snapshots.schedule": "0 * * * *", "qdrant.snapshots.activeDeadlineSeconds": 3600}),
    (PRODUCTION, {"qdrant.snapshots.schedule": "0 3 1 * *", "qdrant.snapshots.enabled": False}),
    *(
        (
            "values-eks-dev.yaml",
            {"global.aws.region": region, "gateway.settings.GATEWAY_CHAT_MODEL": model},
        )
        for region, model in (
            ("eu-central-1", "eu.anthropic.claude-sonnet-4-6"),
            ("ap-northeast-1", "jp.anthropic.claude-sonnet-4-6"),
            ("ap-south-1", "apac.anthropic.claude-sonnet-4-6"),
            ("ca-central-1", "us.anthropic.claude-sonnet-4-6"),
            ("sa-east-1", "global.anthropic.claude-sonnet-4-6"),
            ("eu-north-1", "anthropic.claude-sonnet-4-6"),
        )
    ),
    (PRODUCTION, {"ingress.annotations": {"alb.ingress.kubernetes.io/load-balancer-attributes": "a=b"}}),
    (
        PRODUCTION,
        {
            "ingress.annotations": {"alb.ingress.kubernetes.io/security-groups": "sg-1"},
            "ingress.alb.inboundCidrs": [],
            "ingress.alb.prefixLists": [],
        },
    ),
    (PRODUCTION, {**PLAIN_INGRESS, "ingress.annotations": {"alb.ingress.kubernetes.io/scheme": "internal"}}),
    (PRODUCTION, {"gateway.extraEnv": [{"name": "AWS_REGION", "value": "us-east-1"}]}),
    (
        PRODUCTION,
        {
            "gateway.tolerations": [
                {"operator": "Exists"},
                {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5},
                {"key": "a", "value": "b"},
            ]
        },
    ),
    (
        PRODUCTION,
        {
            "qdrant.enabled": False,
            "global.qdrant.url": "https://qdrant.example.com:6333",
            "global.network.qdrant.cidrs": ["10.0.30.0/24"],
            "global.network.qdrant.port": 6333,
        },
    ),
    (PRODUCTION, {"qdrant.image.tag": "v1.20.0-unprivileged"}),
    (PRODUCTION, {"qdrant.image.tag": "of-my-own", "qdrant.image.repository": "a.example/my-qdrant"}),
    (
        PRODUCTION,
        {
            "n8n.enabled": False,
            "open-webui.orchestrator": "direct",
            "n8n.postgres.host": "",
            "n8n.redis.host": "",
        },
    ),
    (PRODUCTION, {"open-webui.enabled": False, "ingress.enabled": False, "global.openWebui.adminEmail": ""}),
    (PRODUCTION, PLAIN_INGRESS),
    (KIND, KIND_INGRESS),
    (KIND, {**KIND_INGRESS, "global.openWebui.url": "http://chat.test:8080"}),
    (PRODUCTION, {"ingress.alb.scheme": "internal"}),
    (
        "values-eks-dev.yaml",
        {"ingress.alb.scheme": "internal", "ingress.alb.inboundCidrs": ["10.0.0.0/8", "172.31.0.0/16"]},
    ),
    (
        "values-eks-dev.yaml",
        {
            "global.aws.region": "eu-west-1",
            "ingress.alb.certificateArns": [CERTIFICATE],
            "gateway.settings.GATEWAY_CHAT_MODEL": "global.a.model",
        },
    ),
    (
        "values-eks-dev.yaml",
        {
            "global.aws.region": "us-gov-west-1",
            "global.aws.tenantRoleArn": f"arn:aws-us-gov:iam::{ACCOUNT}:role/a",
            "gateway.modelRoleArn": f"arn:aws-us-gov:iam::{ACCOUNT}:role/b",
            "gateway.settings.GATEWAY_CHAT_MODEL": "us-gov.a.model",
        },
    ),
    (
        PRODUCTION,
        {GATEWAY_ROLE: f"arn:aws:iam::{ACCOUNT}:role/a", OPERATOR_ROLE: f"arn:aws:iam::{ACCOUNT}:role/b"},
    ),
    (PRODUCTION, {"gateway.settings.GATEWAY_CHAT_MODEL": "us.anthropic.claude-sonnet-4-6"}),
    (PRODUCTION, {"n8n.redis.database": 16}),
    (PRODUCTION, {"n8n.postgres.database": "workflows", "n8n.postgres.user": "workflows"}),
    (PRODUCTION, {"qdrant.existingSecret": "shared", "file-sync.ticketKey.existingSecret": "shared"}),
    (PRODUCTION, {"file-sync.ticketKey.existingSecret": "tenantry-file-sync"}),
    (PRODUCTION, set_variable("gateway", "HTTPS_PROXY")),
    (PRODUCTION, set_variable("open-webui", "LOG_LEVEL")),
    (
        PRODUCTION,
        {**set_variable("gateway", "AWS_STS_REGIONAL_ENDPOINTS"), **set_variable("n8n", "NO_PROXY")},
    ),
    (
        PRODUCTION,
        {
            "gateway.settings.GATEWAY_CHUNK_TOKENS": "55",
            "file-sync.settings.FILE_SYNC_INGEST_TIMEOUT_SECONDS": "601",
            "file-sync.settings.FILE_SYNC_DOCUMENT_BYTES": "1000",
            "operator.settings.OPERATOR_RETRY_DELAY_SECONDS": "60",
        },
    ),
    (PRODUCTION, {"n8n.worker.autoscaling.source": "keda"}),
    (KIND, {"n8n.worker.autoscaling.source": "keda", "global.network.kedaNamespace": "keda"}),
    (PRODUCTION, {"monitoring.interval": "2m"}),
    (PRODUCTION, {"monitoring.interval": "5m", "monitoring.enabled": False}),
    (KIND, {"monitoring.enabled": "auto"}),
]
"""Values that differ a little from refused ones, and are accepted."""


def list_paths(values: Values, name: str, path: str = "") -> list[str]:
    """Return the paths of the maps that have a key."""
    found = [path] if name in values else []
    for key, value in values.items():
        if isinstance(value, dict):
            found += list_paths(value, name, f"{path}.{key}".lstrip("."))
    return found


def join_cases(cases: list[tuple[str, Values, list[str]]]) -> list[tuple[str, Values, list[str]]]:
    """Return fewer cases: each joins cases with the same profile and without a common value."""
    groups: list[tuple[str, Values, list[str]]] = []
    for profile, values, names in cases:
        for other, joined, expected in groups:
            if other == profile and not joined.keys() & values.keys():
                joined.update(values)
                expected.extend(names)
                break
        else:
            groups.append((profile, dict(values), list(names)))
    return groups


def build_options(values: Values) -> list[str]:
    """Return the options of helm that set the values."""
    options = [
        part for path, value in values.items() for part in ("--set-json", f"{path}={json.dumps(value)}")
    ]
    monitored = ["--api-versions", "monitoring.coreos.com/v1"] if "monitoring.enabled" in values else []
    return options + monitored


def get_refusal(profile: str, values: Values) -> str:
    """Return helm's refusal of the values in a profile."""
    with pytest.raises(HelmError) as refusal:
        render(profile, *build_options(values))
    return str(refusal.value)


@pytest.mark.parametrize(
    ("profile", "values", "names"), CONTRADICTIONS + join_cases(INDEPENDENT), ids=lambda part: str(part)[:80]
)
def test_contradicting_values_are_refused_by_name(profile: str, values: Values, names: list[str]) -> None:
    refusal = get_refusal(profile, values)
    assert "These values contradict each other" in refusal
    assert [name for name in names if name not in refusal] == []


@pytest.mark.parametrize(("profile", "values"), NEIGHBOURS, ids=lambda part: str(part)[:80])
def test_neighbouring_values_are_accepted(profile: str, values: Values) -> None:
    assert render(profile, *build_options(values)).objects


def test_all_faults_are_reported_together() -> None:
    refusal = get_refusal(
        PRODUCTION,
        {"gateway.autoscaling.minReplicas": 11, "open-webui.autoscaling.minReplicas": 11},
    )
    assert "\n1. gateway.autoscaling.minReplicas (11)" in refusal
    assert "\n2. open-webui.autoscaling.minReplicas (11)" in refusal


def test_lint_also_refuses_contradictions() -> None:
    with pytest.raises(HelmError, match=r"gateway\.autoscaling\.minReplicas"):
        lint(PRODUCTION, "--set", "gateway.autoscaling.minReplicas=11")


@pytest.mark.parametrize("profile", PROFILES)
def test_checks_create_no_object(profile: str) -> None:
    assert "templates/checks" not in render(profile).text


def test_defaults_in_checks_are_those_of_the_settings() -> None:
    text = "".join(file.read_text() for file in (CHART / "templates" / "checks").iterdir())
    defaults = dict(re.findall(r"\.((?:GATEWAY|FILE_SYNC|OPERATOR)_\w+) \| default (\d+)", text))
    fields = {
        f"{settings.model_config['env_prefix']}{name.upper()}": field
        for settings in SERVICES.values()
        for name, field in settings.model_fields.items()
    }
    assert f'GATEWAY_CHAT_MODEL | default "{fields["GATEWAY_CHAT_MODEL"].default}"' in text
    assert fields["GATEWAY_CHAT_FALLBACKS"].get_default(call_default_factory=True) == []
    assert len(defaults) > 5
    assert {name: float(value) for name, value in defaults.items()} == {
        name: float(fields[name].default) for name in defaults
    }


def test_defaults_of_the_load_balancer_in_checks_are_those_of_the_values() -> None:
    alb = yaml.safe_load((CHART / "values.yaml").read_text())["ingress"]["alb"]
    text = (CHART / "templates" / "checks" / "_ingress.tpl").read_text()
    assert f'ne .alb.scheme "{alb["scheme"]}"' in text
    assert f'ne .alb.sslPolicy "{alb["sslPolicy"]}"' in text
    assert f"`{json.dumps(alb['inboundCidrs'], separators=(',', ':'))}`" in text
    assert [alb[name] for name in ("certificateArns", "prefixLists", "webAclArn")] == [[], [], ""]


def test_every_pod_with_additional_volumes_is_checked() -> None:
    """The table of files in the checks has each place of the values with volumes."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    table = (CHART / "templates" / "checks" / "_pods.tpl").read_text()
    listed = re.findall(r"^([A-Za-z.0-9-]+): \S+\.yaml$", table, re.MULTILINE)
    assert sorted(listed) == sorted(list_paths(values, "extraVolumes"))


VALUES: Values = yaml.safe_load((CHART / "values.yaml").read_text())

INCLUDED = (
    "--set", "keycloak.enabled=true,keycloak.postgres.host=db.example.com,global.keycloak.url=",
    "--set", "global.network.keycloak.port=8080,qdrant.snapshots.enabled=true",
    "--set-json", "global.network.keycloak.cidrs=[]",
)  # fmt: skip
"""Options of all parts with additional variables, in addition to the production profile."""


@pytest.mark.parametrize("path", list_paths(VALUES, "extraEnv"))
def test_no_additional_variable_replaces_one_of_the_chart_or_of_another_entry(path: str) -> None:
    """Each place of the values with variables is found, so a new one is checked too."""
    added = [{"name": "TEST_PROBE", "value": "x"}]
    pods = [
        container["env"]
        for _, pod in render(PRODUCTION, *INCLUDED, *build_options({f"{path}.extraEnv": added})).iter_pods()
        for container in pod["spec"].get("initContainers", []) + pod["spec"]["containers"]
        if added[0] in container.get("env", [])
    ]
    assert pods
    names = sorted({variables[0]["name"] for variables in pods})
    doubled = [{"name": name, "value": "y"} for name in (*names, "TEST_PROBE")] + added
    with pytest.raises(HelmError) as refusal:
        render(PRODUCTION, *INCLUDED, *build_options({f"{path}.extraEnv": doubled}))
    report = str(refusal.value)
    assert [name for name in names if f"{path}.extraEnv has {name}, which the chart" not in report] == []
    assert f"{path}.extraEnv has TEST_PROBE twice" in report


@pytest.mark.parametrize("path", list_paths(VALUES, "extraEnv"))
def test_no_pod_gets_another_region(path: str) -> None:
    region = [{"name": "AWS_REGION", "value": "eu-west-3"}]
    refusal = get_refusal(PRODUCTION, {f"{path}.extraEnv": region})
    assert f"{path}.extraEnv has AWS_REGION (eu-west-3)" in refusal


def test_monitoring_without_its_kinds_is_reported_with_the_other_faults() -> None:
    with pytest.raises(HelmError) as refusal:
        render(PRODUCTION, "--set", "monitoring.enabled=true,gateway.autoscaling.minReplicas=11")
    report = str(refusal.value)
    assert "These values contradict each other" in report
    assert "monitoring.enabled is true, but this cluster has no monitoring.coreos.com/v1" in report
    assert "gateway.autoscaling.minReplicas (11)" in report
