"""Generator of charts/tenantry/values.schema.json: ``python -m tools.chart_schema``.

The schema has the keys and types of values.yaml and refuses other keys. This module adds bounds, units and
formats by path. The settings classes define the settings of each service that the chart does not derive.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml
from file_sync.settings import FileSyncSettings
from gateway.settings import GatewaySettings
from pydantic_settings import BaseSettings
from tenant_operator.settings import OperatorSettings

__all__ = ["CHART", "PAGE", "POD_FIELDS", "SERVICES", "list_derived_settings", "render"]

CHART = Path(__file__).parents[1] / "charts" / "tenantry"
PAGE = CHART / "values.schema.json"

SERVICES: dict[str, type[BaseSettings]] = {
    "operator": OperatorSettings,
    "gateway": GatewaySettings,
    "file-sync": FileSyncSettings,
}

PARTS = {file.parent.name for file in CHART.glob("charts/*/Chart.yaml")}

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
QUANTITY: Schema = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(m|[kMGT]i?)?$"}
QUANTITIES: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"cpu": QUANTITY, "memory": QUANTITY, "ephemeral-storage": QUANTITY},
}

LABEL_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
LABEL_KEY = rf"([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{LABEL_NAME}"
RESERVED_LABELS = (
    r"app\.kubernetes\.io/(name|instance|component|part-of)",  # of selectors and network policies
    r"(apps|batch|statefulset)\.kubernetes\.io/.*",
    "pod-template-hash|controller-revision-hash|controller-uid|job-name",
)
"""Labels of pods that the chart or a controller sets."""

LABEL: Schema = {"type": "string", "pattern": f"^({LABEL_NAME})?$"}


def _build_map_schema(value: Schema, **refused: Schema) -> Schema:
    """Return the schema of a map with the keys of labels; ``patternProperties`` name a wrong key's path."""
    return {
        "type": "object",
        "patternProperties": {f"^{LABEL_KEY}$": value, **refused},
        "additionalProperties": False,
    }


def _build_list_schema(required: tuple[str, ...], **properties: Schema) -> Schema:
    """Return the schema of a list of objects with these fields and no others."""
    item = {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(required),
    }
    return {"type": "array", "items": item}


POD_FIELDS: dict[str, Schema] = {
    "nodeSelector": _build_map_schema(LABEL),
    "tolerations": _build_list_schema(
        (),
        key={"type": "string"},
        operator={"enum": ["Exists", "Equal"]},
        value={"type": "string"},
        effect={"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
        tolerationSeconds={"type": "integer"},
    ),
    "affinity": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {"type": "object"} for name in ("nodeAffinity", "podAffinity", "podAntiAffinity")
        },
    },
    "topologySpreadConstraints": _build_list_schema(
        ("maxSkew", "topologyKey", "whenUnsatisfiable"),
        maxSkew={"type": "integer", "minimum": 1},
        minDomains={"type": "integer", "minimum": 1},
        topologyKey=TEXT,
        whenUnsatisfiable={"enum": ["DoNotSchedule", "ScheduleAnyway"]},
        labelSelector={"type": "object"},
        matchLabelKeys={"type": "array", "items": TEXT},
        nodeAffinityPolicy={"enum": ["Honor", "Ignore"]},
        nodeTaintsPolicy={"enum": ["Honor", "Ignore"]},
    ),
    "priorityClassName": {"type": "string", "pattern": "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$"},
    "podLabels": _build_map_schema(LABEL, **{f"^({'|'.join(RESERVED_LABELS)})$": {"not": {}}}),
    "podAnnotations": _build_map_schema({"type": "string"}),
    "extraVolumes": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}},
            "required": ["name"],
        },
    },
    "extraVolumeMounts": _build_list_schema(
        ("name", "mountPath"),
        name=TEXT,
        mountPath={"type": "string", "pattern": "^/"},
        subPath={"type": "string"},
        subPathExpr={"type": "string"},
        readOnly={"type": "boolean"},
        recursiveReadOnly={"enum": ["Disabled", "IfPossible", "Enabled"]},
        mountPropagation={"enum": ["None", "HostToContainer", "Bidirectional"]},
    ),
}
"""Schemas of the fields that the values have for the pods of each workload."""

REQUIRED_VALUES: dict[str, Schema] = {
    "global.aws.documentsBucket": {"type": "string", "pattern": "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"},
    "global.aws.filesBucket": {"type": "string", "pattern": "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"},
    "global.aws.tenantRoleArn": {"type": "string", "pattern": "^arn:[a-z-]+:iam::[0-9]{12}:role/.+$"},
    "gateway.modelRoleArn": {"type": "string", "pattern": "^arn:[a-z-]+:iam::[0-9]{12}:role/.+$"},
}
"""Values that are empty in values.yaml and that each deployment must set."""

EMPTY_LIST: Schema = {"maxItems": 0}
NONEMPTY_LIST: Schema = {"minItems": 1}
NONEMPTY_TEXT: Schema = {"minLength": 1}
EMPTY_TEXT: Schema = {"maxLength": 0}

EXPOSED: dict[str, Schema] = {"global.openWebui.url": NONEMPTY_TEXT, "open-webui.enabled": {"const": True}}
"""Schemas by path that each way to Open WebUI needs."""

RULES: list[tuple[str, dict[str, Schema], dict[str, Schema]]] = [
    (
        "keycloak.enabled",
        {"global.keycloak.url": EMPTY_TEXT, "global.network.keycloak.cidrs": EMPTY_LIST},
        {"global.keycloak.url": NONEMPTY_TEXT, "global.network.keycloak.cidrs": NONEMPTY_LIST},
    ),
    (
        "open-webui.enabled",
        {"global.openWebui.adminEmail": NONEMPTY_TEXT},
        {"global.openWebui.adminEmail": EMPTY_TEXT},
    ),
    (
        "externalSecrets.enabled",
        # Both features would create the same Secrets, and overwrite the Secrets of the other.
        {"externalSecrets.store.name": NONEMPTY_TEXT, "global.secretsStore.enabled": {"const": False}},
        {},
    ),
    ("ingress.enabled", EXPOSED, {}),
    ("httpRoute.enabled", {**EXPOSED, "httpRoute.parentRefs": NONEMPTY_LIST}, {}),
    ("targetGroupBinding.enabled", {**EXPOSED, "targetGroupBinding.targetGroupArn": NONEMPTY_TEXT}, {}),
    ("n8n.enabled", {}, {"open-webui.orchestrator": {"const": "direct"}}),
    (
        "qdrant.enabled",
        {"global.qdrant.url": EMPTY_TEXT, "global.network.qdrant.cidrs": EMPTY_LIST},
        {"global.qdrant.url": NONEMPTY_TEXT, "global.network.qdrant.cidrs": NONEMPTY_LIST},
    ),
    (
        "postgres.enabled",
        {"global.network.postgres.cidrs": EMPTY_LIST, "global.postgres.tls.enabled": {"const": False}},
        {"n8n.postgres.host": NONEMPTY_TEXT, "global.network.postgres.cidrs": NONEMPTY_LIST},
    ),
    (
        "redis.enabled",
        {"global.network.redis.cidrs": EMPTY_LIST, "global.redis.tls.enabled": {"const": False}},
        {"n8n.redis.host": NONEMPTY_TEXT, "global.network.redis.cidrs": NONEMPTY_LIST},
    ),
    ("global.postgres.tls.enabled", {"global.postgres.tls.caConfigMap": NONEMPTY_TEXT}, {}),
]
"""Switches, each with the schemas that apply by path if it is on and if it is off."""

SCHEMAS_BY_PATH: list[tuple[str, Schema]] = [
    (r"global\.fullnameOverride", {"type": "string", "pattern": "^([a-z]([-a-z0-9]{0,33}[a-z0-9])?)?$"}),
    (r"global\.imageRegistry", {"type": "string", "pattern": r"^([\w.-]+(:[0-9]+)?(/[\w.-]+)*)?$"}),
    *((rf".*\.{field}", schema) for field, schema in POD_FIELDS.items()),
    (r"global\.nameOverride", {"type": "string", "pattern": "^([a-z0-9]([-a-z0-9]{0,33}[a-z0-9])?)?$"}),
    (r"qdrant\.snapshots\.schedule", {"type": "string", "pattern": r"^(\S+ ){4}\S+$"}),
    (r"qdrant\.snapshots\.keep", {"type": "integer", "minimum": 1}),
    (r"qdrant\.snapshots\.activeDeadlineSeconds", {"type": "integer", "minimum": 60}),
    (r"global\.tenantClass", {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$"}),
    (r"global\.aws\.region", {"type": "string", "pattern": "^[a-z]{2}(-[a-z]+)+-[0-9]$"}),
    (r"global\.(keycloak|openWebui|qdrant)\.url", {"type": "string", "pattern": "^(https?://.+[^/])?$"}),
    (r"externalSecrets\.store\.kind", {"enum": ["ClusterSecretStore", "SecretStore"]}),
    (r"externalSecrets\.refreshInterval", {"type": "string", "pattern": "^([0-9]+[hms])+$"}),
    (r"ingress\.alb\.scheme", {"enum": ["internet-facing", "internal"]}),
    (r"ingress\.alb\.certificateArns", {"type": "array", "items": {"type": "string", "pattern": "^arn:"}}),
    (r"ingress\.alb\.prefixLists", {"type": "array", "items": {"type": "string", "pattern": "^pl-"}}),
    (r"ingress\.alb\.webAclArn", {"type": "string", "pattern": "^(arn:.+)?$"}),
    (r"ingress\.className", TEXT),
    (r"httpRoute\.parentRefs", _build_list_schema(
        ("name",),
        group={"type": "string"}, kind=TEXT, name=TEXT, namespace=TEXT, sectionName=TEXT,
        port={"type": "integer", "minimum": 1, "maximum": 65535},
    )),
    (r"targetGroupBinding\.targetGroupArn", {
        "type": "string", "pattern": "^(arn:[a-z-]+:elasticloadbalancing:.+:targetgroup/.+)?$",
    }),
    (r"targetGroupBinding\.securityGroups", {
        "type": "array", "items": {"type": "string", "pattern": "^sg-[0-9a-z]+$"},
    }),
    (r".*(\.cidrs|Cidrs)", {
        "type": "array",
        "items": {"type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]{1,3}$"},
    }),
    (r".*\.imagePullSecrets", {
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"name": TEXT},
            "required": ["name"],
        },
    }),
    (r".*\.image\.digest", {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"}),
    (r".*\.image\.tag", {"type": "string", "pattern": "^[A-Za-z0-9_.-]{0,128}$"}),
    (r".*\.pullPolicy", {"enum": ["Always", "IfNotPresent", "Never"]}),
    (r".*\.resources", {
        "type": "object",
        "additionalProperties": False,
        "properties": {"requests": QUANTITIES, "limits": QUANTITIES},
        "required": ["requests"],  # the autoscaler needs them
    }),
    (r".*\.annotations", TEXTS),
    (r"monitoring\.(labels|dashboardLabels)", TEXTS),
    (r".*\.extraEnv", {
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"name": TEXT, "value": {"type": "string"}, "valueFrom": {"type": "object"}},
            "required": ["name"],
        },
    }),
    (r".*\.storage\.size", QUANTITY),
    (r".*\.existingSecret|.*\.repository", TEXT),
    (r"monitoring\.enabled", {"enum": ["auto", True, False]}),
    (r"monitoring\.monitorKind", {"enum": ["PodMonitor", "ServiceMonitor"]}),
    (r"monitoring\.interval", {"type": "string", "pattern": "^[1-9][0-9]*(s|m)$"}),
    (r"monitoring\.docsUrl", {"type": "string", "pattern": "^(https?://.+[^/])?$"}),
    (r".*\.port", {"type": "integer", "minimum": 1, "maximum": 65535}),
    (r".*UtilizationPercentage", {"type": "integer", "minimum": 1, "maximum": 100}),
    (r".*(Seconds|\.drainSeconds)", {"type": "integer", "minimum": 0, "maximum": 3600}),
    (r"n8n\.redis\.database", {"type": "integer", "minimum": 0}),
    (r"open-webui\.orchestrator", {"enum": ["n8n", "direct"]}),
    (r"qdrant\.autoscaling\.source", {"enum": ["prometheus-adapter", "metrics-server"]}),
    (r".*\.autoscaling\.source", {"enum": ["prometheus-adapter", "keda"]}),
    (r".*\.autoscaling\.((min|max|initial)Replicas|queueDepth)", {"type": "integer", "minimum": 1}),
    (r".*\.(replicas|concurrency|embedding\w*PerMinute)", {"type": "integer", "minimum": 1}),
]  # fmt: skip
"""Schemas by pattern of a path; the first pattern that matches the whole path applies."""


def render() -> str:
    """Return the schema."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the chart tenantry"}
    rules = {"allOf": [_build_rule(switch, if_on, if_off) for switch, if_on, if_off in RULES]}
    return json.dumps(schema | _build_object_schema(values, "") | rules, indent=2) + "\n"


def list_derived_settings(service: str) -> set[str]:
    """Return the settings of a service that the chart's templates set."""
    prefix = SERVICES[service].model_config["env_prefix"]
    texts = (file.read_text() for file in (CHART / "charts" / service / "templates").iterdir())
    return {name for text in texts for name in re.findall(rf"\b{prefix}[A-Z_]+\b", text)}


def _build_rule(switch: str, if_on: dict[str, Schema], if_off: dict[str, Schema]) -> Schema:
    """Return the rule for a switch: one schema if it is on, another if it is off."""
    sides = {
        side: {"allOf": [_nest_schema(path, schema) for path, schema in rules.items()]}
        for side, rules in (("then", if_on), ("else", if_off))
        if rules
    }
    return {"if": _nest_schema(switch, {"const": True}), **sides}


def _nest_schema(path: str, schema: Schema) -> Schema:
    for key in reversed(path.split(".")):
        schema = {"properties": {key: schema}}
    return schema


def _build_object_schema(values: dict[str, Any], path: str) -> Schema:
    properties = {key: _build_schema(value, f"{path}.{key}".lstrip(".")) for key, value in values.items()}
    # Helm passes "global" to each subchart, and adds a key for the library chart.
    if not path:
        properties["common"] = {"type": "object"}
    elif path in PARTS:
        properties["global"] = {"type": "object"}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _build_schema(value: Any, path: str) -> Schema:
    if path in REQUIRED_VALUES:
        return REQUIRED_VALUES[path]
    service, _, rest = path.partition(".")
    if rest == "settings" and service in SERVICES:
        return _build_settings_schema(service)
    for pattern, schema in SCHEMAS_BY_PATH:
        if re.fullmatch(pattern, path):
            return schema
    match value:
        case dict():
            return _build_object_schema(value, path)
        case bool():
            return {"type": "boolean"}
        case str():
            return {"type": "string"}
        case _:
            raise TypeError(f"tools/chart_schema.py needs a schema for {path}")


def _build_settings_schema(service: str) -> Schema:
    settings = SERVICES[service]
    prefix = settings.model_config["env_prefix"]
    names = sorted(
        {f"{prefix}{field.upper()}" for field in settings.model_fields} - list_derived_settings(service)
    )
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {"type": "string"} for name in names},
    }


if __name__ == "__main__":
    PAGE.write_text(render())
    sys.stdout.write(f"wrote {PAGE.name}\n")
