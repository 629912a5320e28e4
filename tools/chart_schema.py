"""Generator of charts/tenantry/values.schema.json: ``python -m tools.chart_schema``.

The schema has the keys and types of values.yaml and refuses other keys. This module adds bounds, units and
formats by path. The settings classes define the settings of each service that the chart does not derive.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_origin

import yaml
from file_sync.settings import FileSyncSettings
from gateway.settings import GatewaySettings
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings
from tenant_operator.settings import OperatorSettings

from . import chart_formats as formats
from .chart_formats import Schema
from .chart_pods import POD_FIELDS, TEXT, build_list_schema

__all__ = ["CHART", "PAGE", "SERVICES", "list_derived_settings", "render"]

CHART = Path(__file__).parents[1] / "charts" / "tenantry"
PAGE = CHART / "values.schema.json"

SERVICES: dict[str, type[BaseSettings]] = {
    "operator": OperatorSettings,
    "gateway": GatewaySettings,
    "file-sync": FileSyncSettings,
}

MIN_SHARED_CHARACTERS = 120
"""Length of a schema from which repetitions are shared; a shorter one is easier to read in its place."""

PARTS = {file.parent.name for file in CHART.glob("charts/*/Chart.yaml")}

REQUESTS: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"cpu": formats.CPU, "memory": formats.MEMORY, "ephemeral-storage": formats.MEMORY},
    "required": ["cpu", "memory"],  # the autoscalers need them
}
LIMITS: Schema = {key: value for key, value in REQUESTS.items() if key != "required"}
PERCENTAGE: Schema = {"type": "integer", "minimum": 1, "maximum": 100}

REQUIRED_VALUES: dict[str, Schema] = {
    "global.aws.documentsBucket": formats.BUCKET,
    "global.aws.filesBucket": formats.BUCKET,
    "global.aws.tenantRoleArn": formats.ROLE_ARN,
    "gateway.modelRoleArn": formats.ROLE_ARN,
}
"""Values that are empty in values.yaml and that each deployment must set."""


def _build_list(item: Schema) -> Schema:
    """Return the schema of a list without repetitions."""
    return {"type": "array", "uniqueItems": True, "items": item}


SCHEMAS_BY_PATH: list[tuple[str, Schema]] = [
    (r"global\.fullnameOverride", {"type": "string", "pattern": "^([a-z]([-a-z0-9]{0,33}[a-z0-9])?)?$"}),
    (r"global\.imageRegistry", {"type": "string", "pattern": r"^([\w.-]+(:[0-9]+)?(/[\w.-]+)*)?$"}),
    *((rf".*\.{field}", schema) for field, schema in POD_FIELDS.items()),
    (r"global\.nameOverride", {"type": "string", "pattern": "^([a-z0-9]([-a-z0-9]{0,33}[a-z0-9])?)?$"}),
    (r"global\.rollouts\.prometheusUrl", formats.allow_empty(formats.URL)),
    (r"global\.rollouts\.stepMinutes", {"type": "integer", "minimum": 3}),  # two measurements
    (r"qdrant\.snapshots\.schedule", formats.CRON),
    (r"qdrant\.snapshots\.keep", {"type": "integer", "minimum": 1}),
    (r"qdrant\.snapshots\.activeDeadlineSeconds", {"type": "integer", "minimum": 60}),
    (r"global\.tenantClass", {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$"}),
    (r"global\.aws\.region", formats.REGION),
    (r"global\.keycloak\.url", formats.allow_empty(formats.KEYCLOAK_URL)),
    (r"global\.keycloak\.realm", formats.REALM),
    (r"global\.openWebui\.url", formats.allow_empty(formats.PUBLIC_URL)),
    (r"global\.openWebui\.adminEmail", formats.allow_empty(formats.EMAIL)),
    (r"global\.qdrant\.url", formats.allow_empty(formats.QDRANT_URL)),
    (r".*[nN]amespace", formats.allow_empty(formats.NAMESPACE)),
    (r"n8n\.ownerEmail", formats.EMAIL),
    (r"(n8n|keycloak)\.(postgres|redis)\.host", formats.allow_empty(formats.HOST)),
    (r"(n8n|keycloak)\.postgres\.(database|user)", formats.POSTGRES_NAME),
    (r"n8n\.redis\.user", formats.explain("^[!-~]+$", "the name of a user in Redis, without spaces")),
    (r".*\.(tlsSecret|caConfigMap|store\.name|storage\.class)", formats.allow_empty(formats.NAME)),
    (r"global\.priorityClasses\.(serving|background)", formats.allow_empty(formats.NAME)),
    (r".*\.prefix", formats.STORE_PREFIX),
    (r"externalSecrets\.store\.kind", {"enum": ["ClusterSecretStore", "SecretStore"]}),
    (r"externalSecrets\.refreshInterval", formats.DURATION),
    (r"ingress\.alb\.scheme", {"enum": ["internet-facing", "internal"]}),
    (r"ingress\.alb\.sslPolicy", formats.TLS_POLICY),
    (r"ingress\.alb\.certificateArns", _build_list(formats.ACM_CERTIFICATE)),
    (r"ingress\.alb\.prefixLists", _build_list(formats.PREFIX_LIST)),
    (r"ingress\.alb\.webAclArn", formats.allow_empty(formats.WEB_ACL)),
    (r"ingress\.className", formats.NAME),
    (r"httpRoute\.parentRefs", build_list_schema(
        ("name",),
        group={"type": "string"}, kind=TEXT, name=formats.NAME, namespace=formats.NAMESPACE, sectionName=TEXT,
        port={"type": "integer", "minimum": 1, "maximum": 65535},
    )),
    (r"targetGroupBinding\.targetGroupArn", formats.allow_empty(formats.TARGET_GROUP)),
    (r"targetGroupBinding\.securityGroups", _build_list(formats.SECURITY_GROUP)),
    (r".*(\.cidrs|Cidrs)", _build_list(formats.CIDR)),
    (r".*\.imagePullSecrets", {
        "type": "array",
        "uniqueItems": True,
        "items": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"name": formats.NAME},
            "required": ["name"],
        },
    }),
    (r".*\.image\.digest", formats.DIGEST),
    (r"n8n\.initialScale\.image\.tag", formats.IMAGE_TAG),
    (r".*\.image\.tag", formats.allow_empty(formats.IMAGE_TAG)),
    (r".*\.image\.repository", formats.REPOSITORY),
    (r".*\.pullPolicy", {"enum": ["Always", "IfNotPresent", "Never"]}),
    (r".*\.resources", {
        "type": "object",
        "additionalProperties": False,
        "properties": {"requests": REQUESTS, "limits": LIMITS},
        "required": ["requests"],
    }),
    (r".*\.annotations", formats.ANNOTATIONS),
    (r"monitoring\.(labels|dashboardLabels)", formats.LABELS),
    (r".*\.extraEnv", formats.ENVIRONMENT),
    (r".*\.storage\.size", formats.MEMORY),
    (r".*\.existingSecret", formats.NAME),
    (r"monitoring\.enabled", {"enum": ["auto", True, False]}),
    (r"monitoring\.monitorKind", {"enum": ["PodMonitor", "ServiceMonitor"]}),
    (r"monitoring\.interval", formats.explain("^[1-9][0-9]*(s|m)$", "seconds or minutes, such as 30s or 1m")),
    (r"monitoring\.docsUrl", formats.allow_empty(formats.URL)),
    (r".*\.port", {"type": "integer", "minimum": 1, "maximum": 65535}),
    (r".*UtilizationPercentage", PERCENTAGE),
    (r".*(Seconds|\.drainSeconds)", {"type": "integer", "minimum": 1, "maximum": 3600}),
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
    return json.dumps(_extract_definitions(schema | _build_object_schema(values, "")), indent=2) + "\n"


def _extract_definitions(schema: Schema) -> Schema:
    """Return the schema with one definition for equal schemas of properties.

    Helm compiles the schema in each call, and takes a third less time without the repetitions.
    """
    counts = Counter(json.dumps(each) for _, each in _iterate_properties(schema))
    names: dict[str, str] = {}
    for name, each in _iterate_properties(schema):
        text = json.dumps(each)
        if counts[text] > 1 and len(text) > MIN_SHARED_CHARACTERS and text not in names:
            uses = sum(used.rstrip("0123456789") == name for used in names.values())
            names[text] = f"{name}{uses + 1 if uses else ''}"

    def replace(value: Any) -> Any:
        if isinstance(value, list):
            return [replace(each) for each in value]
        if not isinstance(value, dict):
            return value
        text = json.dumps(value)
        return {"$ref": f"#/definitions/{names[text]}"} if text in names else replace_children(value)

    def replace_children(value: Schema) -> Schema:
        return {key: replace(each) for key, each in value.items()}

    definitions = {name: replace_children(json.loads(text)) for text, name in names.items()}
    return replace_children(schema) | {"definitions": definitions}


def _iterate_properties(schema: Any) -> Iterator[tuple[str, Schema]]:
    """Yield the name and the schema of each property, at any depth."""
    if isinstance(schema, list):
        for each in schema:
            yield from _iterate_properties(each)
    elif isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from properties.items()
        for each in schema.values():
            yield from _iterate_properties(each)


def list_derived_settings(service: str) -> set[str]:
    """Return the settings of a service that the chart's templates set."""
    prefix = SERVICES[service].model_config["env_prefix"]
    texts = (file.read_text() for file in (CHART / "charts" / service / "templates").iterdir())
    return {name for text in texts for name in re.findall(rf"\b{prefix}[A-Z_]+\b", text)}


def _build_object_schema(values: dict[str, Any], path: str) -> Schema:
    properties = {key: _build_schema(value, f"{path}.{key}".lstrip(".")) for key, value in values.items()}
    # Helm passes "global" to each subchart, and adds a key for the library chart.
    if not path:
        properties["common"] = {"type": "object"}
    elif path in PARTS:
        properties["global"] = {"type": "object"}
    # A null removes a default. Templates accept it for lists and for objects that are empty by default.
    required = [key for key, value in values.items() if not isinstance(value, list) and value != {}]
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": required}


def _build_schema(value: Any, path: str) -> Schema:
    if path in REQUIRED_VALUES:
        return REQUIRED_VALUES[path]
    service, _, section = path.partition(".")
    if service in SERVICES and section in ("settings", "extraEnv"):
        build = _build_settings_schema if section == "settings" else _build_variables_schema
        return build(service)
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
    fields = {f"{prefix}{field.upper()}": info for field, info in settings.model_fields.items()}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: _build_setting_schema(fields[name])
            for name in sorted(fields.keys() - list_derived_settings(service))
        },
    }


def _build_variables_schema(service: str) -> Schema:
    """Return the schema of additional variables: a name with the prefix of the service must be a setting."""
    settings = SERVICES[service]
    prefix = settings.model_config["env_prefix"]
    names = [f"{prefix}{field.upper()}" for field in settings.model_fields]
    known = formats.explain(
        {"anyOf": [{"not": {"pattern": f"^{prefix}"}}, {"enum": names}]},
        f"a setting in docs/reference/settings.md, because it begins with {prefix}",
    )
    return _build_list({"allOf": [formats.ENVIRONMENT["items"], {"properties": {"name": known}}]})


def _build_setting_schema(info: FieldInfo) -> Schema:
    """Return the schema of a setting's text in the environment, by the type and the limits of its field."""
    limits = {
        name: getattr(limit, name)
        for limit in info.metadata
        for name in ("ge", "gt", "le", "min_length", "pattern")
        if getattr(limit, name, None) is not None
    }
    if info.annotation is bool:
        return {"enum": ["true", "false"]}
    if info.annotation is int:
        return formats.build_integer(limits["ge"], limits.get("le"))
    if info.annotation is float:
        return formats.build_number(is_positive="gt" in limits, most=limits.get("le"))
    if info.annotation is str and "pattern" in limits:
        return {"type": "string", "pattern": limits["pattern"]}
    if info.annotation is str:
        return {"type": "string", "minLength": limits.get("min_length", 0)}
    if get_origin(info.annotation) in (list, dict):
        brackets = r"\[.*\]" if get_origin(info.annotation) is list else r"\{.*\}"
        return formats.explain(f"^{brackets}$", "JSON")
    raise TypeError(f"tools/chart_schema.py needs a schema for settings of the type {info.annotation}")


if __name__ == "__main__":
    PAGE.write_text(render())
    sys.stdout.write(f"wrote {PAGE.name}\n")
