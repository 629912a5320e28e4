"""Writes charts/tenantry/values.schema.json: ``python -m tools.chart_schema``.

The tree and its types are those of values.yaml, so a key that is not on that page is refused. What a type
does not say (bounds, units, formats) is said here, by path. Which settings a service takes beside those
that the chart derives is asked of its settings class.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml
from file_sync.settings import Settings as FileSyncSettings
from gateway.settings import Settings as GatewaySettings
from pydantic_settings import BaseSettings
from tenant_operator.settings import Settings as OperatorSettings

__all__ = ["CHART", "PAGE", "SERVICES", "derived", "render"]

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

REQUIRED: dict[str, Schema] = {
    "global.aws.documentsBucket": {"type": "string", "pattern": "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"},
    "global.aws.filesBucket": {"type": "string", "pattern": "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"},
    "global.aws.tenantRoleArn": {"type": "string", "pattern": "^arn:[a-z-]+:iam::[0-9]{12}:role/.+$"},
}
"""Empty in values.yaml: a deployment without them is refused."""

NO_ADDRESSES: Schema = {"maxItems": 0}
SOME_ADDRESSES: Schema = {"minItems": 1}
GIVEN: Schema = {"minLength": 1}
NOT_GIVEN: Schema = {"maxLength": 0}

RULES: list[tuple[str, dict[str, Schema], dict[str, Schema]]] = [
    (
        "keycloak.enabled",
        {"global.keycloak.url": NOT_GIVEN, "global.network.keycloak.cidrs": NO_ADDRESSES},
        {"global.keycloak.url": GIVEN, "global.network.keycloak.cidrs": SOME_ADDRESSES},
    ),
    (
        "open-webui.enabled",
        {"global.openWebui.adminEmail": GIVEN},
        {"global.openWebui.adminEmail": NOT_GIVEN},
    ),
    (
        "externalSecrets.enabled",
        # Two that make the same Secrets would overwrite each other's.
        {"externalSecrets.store.name": GIVEN, "global.secretsStore.enabled": {"const": False}},
        {},
    ),
    ("ingress.enabled", {"global.openWebui.url": GIVEN, "open-webui.enabled": {"const": True}}, {}),
    ("n8n.enabled", {}, {"open-webui.orchestrator": {"const": "direct"}}),
    ("qdrant.enabled", {"global.qdrant.url": NOT_GIVEN}, {"global.qdrant.url": GIVEN}),
    (
        "postgres.enabled",
        {"global.network.postgres.cidrs": NO_ADDRESSES},
        {"n8n.postgres.host": GIVEN, "global.network.postgres.cidrs": SOME_ADDRESSES},
    ),
    (
        "redis.enabled",
        {"global.network.redis.cidrs": NO_ADDRESSES},
        {"n8n.redis.host": GIVEN, "global.network.redis.cidrs": SOME_ADDRESSES},
    ),
]
"""What must hold where a switch is on, and what where it is off: then another has to be named, say."""

BY_PATH: list[tuple[str, Schema]] = [
    (r"global\.aws\.region", {"type": "string", "pattern": "^[a-z]{2}(-[a-z]+)+-[0-9]$"}),
    (r"global\.(keycloak|openWebui|qdrant)\.url", {"type": "string", "pattern": "^(https?://.+[^/])?$"}),
    (r"externalSecrets\.store\.kind", {"enum": ["ClusterSecretStore", "SecretStore"]}),
    (r"externalSecrets\.refreshInterval", {"type": "string", "pattern": "^([0-9]+[hms])+$"}),
    (r"ingress\.alb\.scheme", {"enum": ["internet-facing", "internal"]}),
    (r"ingress\.alb\.certificateArns", {"type": "array", "items": {"type": "string", "pattern": "^arn:"}}),
    (r"ingress\.alb\.prefixLists", {"type": "array", "items": {"type": "string", "pattern": "^pl-"}}),
    (r"ingress\.alb\.webAclArn", {"type": "string", "pattern": "^(arn:.+)?$"}),
    (r"ingress\.className", TEXT),
    (r".*\.(cidrs|inboundCidrs)", {
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
        "required": ["requests"],  # an autoscaler measures against them
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
    (r"monitoring\.interval", {"type": "string", "pattern": "^[1-9][0-9]*(s|m)$"}),
    (r"monitoring\.docsUrl", {"type": "string", "pattern": "^(https?://.+[^/])?$"}),
    (r".*\.port", {"type": "integer", "minimum": 1, "maximum": 65535}),
    (r".*UtilizationPercentage", {"type": "integer", "minimum": 1, "maximum": 100}),
    (r".*(Seconds|\.drainSeconds)", {"type": "integer", "minimum": 0, "maximum": 3600}),
    (r"n8n\.redis\.database", {"type": "integer", "minimum": 0}),
    (r"open-webui\.orchestrator", {"enum": ["n8n", "direct"]}),
    (r".*\.autoscaling\.source", {"enum": ["prometheus-adapter", "keda"]}),
    (r".*\.autoscaling\.((min|max|initial)Replicas|queueDepth)", {"type": "integer", "minimum": 1}),
    (r".*\.(replicas|concurrency|embeddingsPerMinute)", {"type": "integer", "minimum": 1}),
]  # fmt: skip
"""The first pattern that a path matches as a whole counts."""


def render() -> str:
    """Return the schema."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the chart tenantry"}
    rules = {"allOf": [_either(switch, own, other) for switch, own, other in RULES]}
    return json.dumps(schema | _object(values, "") | rules, indent=2) + "\n"


def derived(service: str) -> set[str]:
    """Return the settings that the chart's templates give to a service themselves."""
    prefix = SERVICES[service].model_config["env_prefix"]
    texts = (file.read_text() for file in (CHART / "charts" / service / "templates").iterdir())
    return {name for text in texts for name in re.findall(rf"\b{prefix}[A-Z_]+\b", text)}


def _either(switch: str, own: dict[str, Schema], other: dict[str, Schema]) -> Schema:
    """Return the rule that a switch decides, of what holds when it is on and what when it is off."""
    sides = {
        side: {"allOf": [_at(path, schema) for path, schema in rules.items()]}
        for side, rules in (("then", own), ("else", other))
        if rules
    }
    return {"if": _at(switch, {"const": True}), **sides}


def _at(path: str, schema: Schema) -> Schema:
    for key in reversed(path.split(".")):
        schema = {"properties": {key: schema}}
    return schema


def _object(values: dict[str, Any], path: str) -> Schema:
    properties = {key: _schema(value, f"{path}.{key}".lstrip(".")) for key, value in values.items()}
    # Helm hands "global" down into each part, and has a part for the library.
    if not path:
        properties["common"] = {"type": "object"}
    elif path in PARTS:
        properties["global"] = {"type": "object"}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _schema(value: Any, path: str) -> Schema:
    if path in REQUIRED:
        return REQUIRED[path]
    service, _, rest = path.partition(".")
    if rest == "settings" and service in SERVICES:
        return _settings(service)
    for pattern, schema in BY_PATH:
        if re.fullmatch(pattern, path):
            return schema
    match value:
        case dict():
            return _object(value, path)
        case bool():
            return {"type": "boolean"}
        case str():
            return {"type": "string"}
        case _:
            raise TypeError(f"tools/chart_schema.py has to say what {path} may be")


def _settings(service: str) -> Schema:
    settings = SERVICES[service]
    prefix = settings.model_config["env_prefix"]
    names = sorted({f"{prefix}{field.upper()}" for field in settings.model_fields} - derived(service))
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {"type": "string"} for name in names},
    }


if __name__ == "__main__":
    PAGE.write_text(render())
    sys.stdout.write(f"wrote {PAGE.name}\n")
