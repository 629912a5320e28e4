"""Definitions of third-party resources that the chart can create, for KEDA, Prometheus and secrets.

The original definitions are not available to the tests. These definitions contain the fields that the chart
needs, copied from the reference of each kind. So the API server refuses a misspelt or misplaced field. Check
the reference before you add a field.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tenantry_local.parts.kubernetes import kubectl
from tenantry_local.platform import Platform

from tests.support.backends.api_server import apply, listed

__all__ = ["third_party_resources"]

Schema = dict[str, Any]


def _object(*required: str, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _one_of(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


TEXT: Schema = {"type": "string", "minLength": 1}
FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "integer", "format": "int32"}
DURATION: Schema = {"type": "string", "pattern": r"^([0-9]+(ms|s|m|h|d|w|y))+$"}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
NUMBER_OR_TEXT: Schema = {"x-kubernetes-int-or-string": True}

SELECTOR = _object(
    matchLabels=TEXTS,
    matchExpressions=_list(_object("key", "operator", key=TEXT, operator=TEXT, values=_list(TEXT))),
)

RULES_OF_SCALING = _object(
    stabilizationWindowSeconds=NUMBER,
    selectPolicy=_one_of("Max", "Min", "Disabled"),
    policies=_list(
        _object(
            "type",
            "value",
            "periodSeconds",
            type=_one_of("Pods", "Percent"),
            value=NUMBER,
            periodSeconds=NUMBER,
        )
    ),
)

SCALED_OBJECT = _object(
    "scaleTargetRef",
    "triggers",
    scaleTargetRef=_object("name", apiVersion=TEXT, kind=TEXT, name=TEXT),
    pollingInterval=NUMBER,
    cooldownPeriod=NUMBER,
    minReplicaCount=NUMBER,
    maxReplicaCount=NUMBER,
    advanced=_object(
        restoreToOriginalReplicaCount=FLAG,
        horizontalPodAutoscalerConfig=_object(
            name=TEXT, behavior=_object(scaleUp=RULES_OF_SCALING, scaleDown=RULES_OF_SCALING)
        ),
    ),
    triggers=_list(
        _object(
            "type",
            "metadata",
            type=TEXT,
            name=TEXT,
            metricType=_one_of("AverageValue", "Value", "Utilization"),
            metadata=TEXTS,
            authenticationRef=_object("name", name=TEXT, kind=TEXT),
        )
    ),
)

TRIGGER_AUTHENTICATION = _object(
    secretTargetRef=_list(_object("parameter", "name", "key", parameter=TEXT, name=TEXT, key=TEXT)),
)

RELABELINGS = _list(
    _object(
        sourceLabels=_list(TEXT),
        separator={"type": "string"},
        targetLabel=TEXT,
        regex=TEXT,
        replacement={"type": "string"},
        action=_one_of("replace", "keep", "drop", "labelmap", "labeldrop", "labelkeep"),
    )
)

ENDPOINT: dict[str, Schema] = {
    "port": TEXT,
    "path": TEXT,
    "scheme": _one_of("http", "https"),
    "interval": DURATION,
    "scrapeTimeout": DURATION,
    "honorLabels": FLAG,
    "tlsConfig": _object(
        serverName=TEXT, insecureSkipVerify=FLAG, ca=_object(secret=_object("key", name=TEXT, key=TEXT))
    ),
    "authorization": _object(type=TEXT, credentials=_object("key", name=TEXT, key=TEXT, optional=FLAG)),
    "relabelings": RELABELINGS,
    "metricRelabelings": RELABELINGS,
}

MONITOR: dict[str, Schema] = {
    "jobLabel": TEXT,
    "selector": SELECTOR,
    "namespaceSelector": _object(any=FLAG, matchNames=_list(TEXT)),
    "podTargetLabels": _list(TEXT),
    "sampleLimit": NUMBER,
}

POD_MONITOR = _object(
    "selector", podMetricsEndpoints=_list(_object(portNumber=NUMBER, **ENDPOINT)), **MONITOR
)

PROMETHEUS_RULE = _object(
    groups=_list(
        _object(
            "name",
            name=TEXT,
            interval=DURATION,
            labels=TEXTS,
            rules=_list(
                _object(
                    "expr",
                    alert=TEXT,
                    record=TEXT,
                    expr=NUMBER_OR_TEXT,
                    keep_firing_for=DURATION,
                    labels=TEXTS,
                    annotations=TEXTS,
                    **{"for": DURATION},
                )
            ),
        )
    )
)

REMOTE = _object(
    "key",
    key=TEXT,
    property=TEXT,
    version=TEXT,
    conversionStrategy=_one_of("Default", "Unicode"),
    decodingStrategy=_one_of("Auto", "Base64", "Base64URL", "None"),
    metadataPolicy=_one_of("None", "Fetch"),
)

EXTERNAL_SECRET = _object(
    refreshPolicy=_one_of("CreatedOnce", "Periodic", "OnChange"),
    refreshInterval=DURATION,
    secretStoreRef=_object(name=TEXT, kind=_one_of("SecretStore", "ClusterSecretStore")),
    target=_object(
        name=TEXT,
        creationPolicy=_one_of("Owner", "Orphan", "Merge", "None"),
        deletionPolicy=_one_of("Delete", "Merge", "Retain"),
        immutable=FLAG,
        template=_object(
            type=TEXT,
            engineVersion=_one_of("v2"),
            mergePolicy=_one_of("Replace", "Merge"),
            metadata=_object(labels=TEXTS, annotations=TEXTS),
            data=TEXTS,
        ),
    ),
    data=_list(_object("secretKey", "remoteRef", secretKey=TEXT, remoteRef=REMOTE)),
    dataFrom=_list(_object(extract=REMOTE)),
)

SECRET_PROVIDER_CLASS = _object(
    "provider",
    provider=_one_of("aws"),
    parameters=TEXTS,
    secretObjects=_list(
        _object(
            "secretName",
            "type",
            "data",
            secretName=TEXT,
            type=TEXT,
            labels=TEXTS,
            annotations=TEXTS,
            data=_list(_object("objectName", "key", objectName=TEXT, key=TEXT)),
        )
    ),
)

KINDS: list[tuple[str, str, str, Schema]] = [
    ("keda.sh", "v1alpha1", "ScaledObject", SCALED_OBJECT),
    ("keda.sh", "v1alpha1", "TriggerAuthentication", TRIGGER_AUTHENTICATION),
    ("monitoring.coreos.com", "v1", "PodMonitor", POD_MONITOR),
    ("monitoring.coreos.com", "v1", "PrometheusRule", PROMETHEUS_RULE),
    ("external-secrets.io", "v1", "ExternalSecret", EXTERNAL_SECRET),
    ("secrets-store.csi.x-k8s.io", "v1", "SecretProviderClass", SECRET_PROVIDER_CLASS),
]


@contextmanager
def third_party_resources(platform: Platform) -> Iterator[None]:
    """Install the definitions of all these kinds in the API server during the block."""
    definitions = [_definition(*each) for each in KINDS]
    manifest, context = listed(definitions), platform.context
    apply(platform, definitions)
    try:
        established = ("wait", "--for=condition=Established", "--timeout=30s")
        kubectl(context, *established, "-f", "-", stdin=manifest)
        yield
    finally:
        kubectl(context, "delete", "-f", "-", stdin=manifest)


def _definition(group: str, version: str, kind: str, spec: Schema) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _object("spec", spec=spec)},
                }
            ],
        },
    }
