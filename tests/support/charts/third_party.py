"""Definitions of third-party resources that the chart can create: KEDA, Prometheus, secrets, load balancers.

The original definitions are not available to the tests. These definitions contain the fields that the chart
needs, copied from the reference of each kind. So the API server refuses a field with a wrong name or path.
Check the reference before you add a field.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tenantry_local.parts.kubernetes import run_kubectl, wait_until_established
from tenantry_local.platform import Platform

from tests.support.backends.api_server import apply, to_manifest_list

__all__ = ["install_third_party_resources", "make_definitions"]

Schema = dict[str, Any]


def _make_object(*required: str, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def _make_list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _make_one_of(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


TEXT: Schema = {"type": "string", "minLength": 1}
FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "integer", "format": "int32"}
DURATION: Schema = {"type": "string", "pattern": r"^([0-9]+(ms|s|m|h|d|w|y))+$"}
GATEWAY_DURATION: Schema = {"type": "string", "pattern": "^([0-9]{1,5}(h|m|s|ms)){1,4}$"}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
NUMBER_OR_TEXT: Schema = {"x-kubernetes-int-or-string": True}

SELECTOR = _make_object(
    matchLabels=TEXTS,
    matchExpressions=_make_list(
        _make_object("key", "operator", key=TEXT, operator=TEXT, values=_make_list(TEXT))
    ),
)

RULES_OF_SCALING = _make_object(
    stabilizationWindowSeconds=NUMBER,
    selectPolicy=_make_one_of("Max", "Min", "Disabled"),
    policies=_make_list(
        _make_object(
            "type",
            "value",
            "periodSeconds",
            type=_make_one_of("Pods", "Percent"),
            value=NUMBER,
            periodSeconds=NUMBER,
        )
    ),
)

SCALED_OBJECT = _make_object(
    "scaleTargetRef",
    "triggers",
    scaleTargetRef=_make_object("name", apiVersion=TEXT, kind=TEXT, name=TEXT),
    pollingInterval=NUMBER,
    cooldownPeriod=NUMBER,
    minReplicaCount=NUMBER,
    maxReplicaCount=NUMBER,
    advanced=_make_object(
        restoreToOriginalReplicaCount=FLAG,
        horizontalPodAutoscalerConfig=_make_object(
            name=TEXT, behavior=_make_object(scaleUp=RULES_OF_SCALING, scaleDown=RULES_OF_SCALING)
        ),
    ),
    triggers=_make_list(
        _make_object(
            "type",
            "metadata",
            type=TEXT,
            name=TEXT,
            metricType=_make_one_of("AverageValue", "Value", "Utilization"),
            metadata=TEXTS,
            authenticationRef=_make_object("name", name=TEXT, kind=TEXT),
        )
    ),
)

TARGET_REF = _make_object("parameter", "name", "key", parameter=TEXT, name=TEXT, key=TEXT)

TRIGGER_AUTHENTICATION = _make_object(
    secretTargetRef=_make_list(TARGET_REF), configMapTargetRef=_make_list(TARGET_REF)
)

RELABELINGS = _make_list(
    _make_object(
        sourceLabels=_make_list(TEXT),
        separator={"type": "string"},
        targetLabel=TEXT,
        regex=TEXT,
        replacement={"type": "string"},
        action=_make_one_of("replace", "keep", "drop", "labelmap", "labeldrop", "labelkeep"),
    )
)

ENDPOINT: dict[str, Schema] = {
    "port": TEXT,
    "path": TEXT,
    "scheme": _make_one_of("http", "https"),
    "interval": DURATION,
    "scrapeTimeout": DURATION,
    "honorLabels": FLAG,
    "tlsConfig": _make_object(
        serverName=TEXT,
        insecureSkipVerify=FLAG,
        ca=_make_object(secret=_make_object("key", name=TEXT, key=TEXT)),
    ),
    "authorization": _make_object(
        type=TEXT, credentials=_make_object("key", name=TEXT, key=TEXT, optional=FLAG)
    ),
    "relabelings": RELABELINGS,
    "metricRelabelings": RELABELINGS,
}

MONITOR: dict[str, Schema] = {
    "jobLabel": TEXT,
    "selector": SELECTOR,
    "namespaceSelector": _make_object(any=FLAG, matchNames=_make_list(TEXT)),
    "podTargetLabels": _make_list(TEXT),
    "sampleLimit": NUMBER,
}

POD_MONITOR = _make_object(
    "selector", podMetricsEndpoints=_make_list(_make_object(portNumber=NUMBER, **ENDPOINT)), **MONITOR
)

SERVICE_MONITOR = _make_object(
    "endpoints",
    "selector",
    endpoints=_make_list(_make_object(targetPort=NUMBER_OR_TEXT, **ENDPOINT)),
    targetLabels=_make_list(TEXT),
    **MONITOR,
)

PROMETHEUS_RULE = _make_object(
    groups=_make_list(
        _make_object(
            "name",
            name=TEXT,
            interval=DURATION,
            labels=TEXTS,
            rules=_make_list(
                _make_object(
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

REMOTE = _make_object(
    "key",
    key=TEXT,
    property=TEXT,
    version=TEXT,
    conversionStrategy=_make_one_of("Default", "Unicode"),
    decodingStrategy=_make_one_of("Auto", "Base64", "Base64URL", "None"),
    metadataPolicy=_make_one_of("None", "Fetch"),
)

EXTERNAL_SECRET = _make_object(
    refreshPolicy=_make_one_of("CreatedOnce", "Periodic", "OnChange"),
    refreshInterval=DURATION,
    secretStoreRef=_make_object(name=TEXT, kind=_make_one_of("SecretStore", "ClusterSecretStore")),
    target=_make_object(
        name=TEXT,
        creationPolicy=_make_one_of("Owner", "Orphan", "Merge", "None"),
        deletionPolicy=_make_one_of("Delete", "Merge", "Retain"),
        immutable=FLAG,
        template=_make_object(
            type=TEXT,
            engineVersion=_make_one_of("v2"),
            mergePolicy=_make_one_of("Replace", "Merge"),
            metadata=_make_object(labels=TEXTS, annotations=TEXTS),
            data=TEXTS,
        ),
    ),
    data=_make_list(_make_object("secretKey", "remoteRef", secretKey=TEXT, remoteRef=REMOTE)),
    dataFrom=_make_list(_make_object(extract=REMOTE)),
)

SECRET_PROVIDER_CLASS = _make_object(
    "provider",
    provider=_make_one_of("aws"),
    parameters=TEXTS,
    secretObjects=_make_list(
        _make_object(
            "secretName",
            "type",
            "data",
            secretName=TEXT,
            type=TEXT,
            labels=TEXTS,
            annotations=TEXTS,
            data=_make_list(_make_object("objectName", "key", objectName=TEXT, key=TEXT)),
        )
    ),
)

HTTP_ROUTE = _make_object(
    parentRefs=_make_list(
        _make_object(
            "name",
            group={"type": "string"},
            kind=TEXT,
            name=TEXT,
            namespace=TEXT,
            sectionName=TEXT,
            port=NUMBER,
        )
    ),
    hostnames=_make_list(TEXT),
    rules=_make_list(
        _make_object(
            name=TEXT,
            matches=_make_list(
                _make_object(
                    path=_make_object(
                        type=_make_one_of("Exact", "PathPrefix", "RegularExpression"), value=TEXT
                    )
                )
            ),
            backendRefs=_make_list(
                _make_object(
                    "name",
                    group={"type": "string"},
                    kind=TEXT,
                    name=TEXT,
                    namespace=TEXT,
                    port=NUMBER,
                    weight=NUMBER,
                )
            ),
            timeouts=_make_object(request=GATEWAY_DURATION, backendRequest=GATEWAY_DURATION),
        )
    ),
)

TARGET_GROUP_BINDING = _make_object(
    "serviceRef",
    targetGroupARN=TEXT,
    targetGroupName=TEXT,
    targetType=_make_one_of("instance", "ip"),
    serviceRef=_make_object("name", "port", name=TEXT, port=NUMBER_OR_TEXT),
    ipAddressType=_make_one_of("ipv4", "ipv6"),
    vpcID={"type": "string", "pattern": "^vpc-[0-9a-f]+$"},
    networking=_make_object(
        ingress=_make_list(
            _make_object(
                "from",
                "ports",
                ports=_make_list(_make_object(protocol=_make_one_of("TCP", "UDP"), port=NUMBER_OR_TEXT)),
                **{
                    "from": _make_list(
                        _make_object(
                            ipBlock=_make_object("cidr", cidr=TEXT),
                            securityGroup=_make_object("groupID", groupID=TEXT),
                        )
                    )
                },
            )
        )
    ),
)

ROLLOUT_STEP = _make_object(
    setWeight=NUMBER, pause=_make_object(duration=NUMBER_OR_TEXT), setCanaryScale=_make_object(weight=NUMBER)
)
ROLLOUT = _make_object(
    "strategy",
    replicas=NUMBER,
    rollbackWindow=_make_object(revisions=NUMBER),
    selector=SELECTOR,
    workloadRef=_make_object(
        apiVersion=TEXT, kind=TEXT, name=TEXT, scaleDown=_make_one_of("never", "onsuccess", "progressively")
    ),
    strategy=_make_object(
        canary=_make_object(
            maxSurge=NUMBER_OR_TEXT,
            maxUnavailable=NUMBER_OR_TEXT,
            pingPong=_make_object("pingService", "pongService", pingService=TEXT, pongService=TEXT),
            scaleDownDelaySeconds=NUMBER,
            trafficRouting=_make_object(
                alb=_make_object(
                    "ingress",
                    "servicePort",
                    ingress=TEXT,
                    rootService=TEXT,
                    servicePort=NUMBER,
                    annotationPrefix=TEXT,
                    stickinessConfig=_make_object(
                        "durationSeconds", "enabled", enabled=FLAG, durationSeconds={"type": "integer"}
                    ),
                )
            ),
            analysis=_make_object(
                startingStep=NUMBER,
                templates=_make_list(_make_object(templateName=TEXT, clusterScope=FLAG)),
                args=_make_list(
                    _make_object(
                        "name",
                        name=TEXT,
                        value=TEXT,
                        valueFrom=_make_object(podTemplateHashValue=_make_one_of("Latest", "Stable")),
                    )
                ),
            ),
            steps=_make_list(ROLLOUT_STEP),
        )
    ),
)

ANALYSIS_TEMPLATE = _make_object(
    args=_make_list(_make_object("name", name=TEXT, value=TEXT)),
    metrics=_make_list(
        _make_object(
            "name",
            "provider",
            name=TEXT,
            initialDelay=TEXT,
            interval=TEXT,
            count=NUMBER_OR_TEXT,
            failureLimit=NUMBER_OR_TEXT,
            consecutiveErrorLimit=NUMBER_OR_TEXT,
            successCondition=TEXT,
            failureCondition=TEXT,
            provider=_make_object(prometheus=_make_object(address=TEXT, query=TEXT, timeout=NUMBER)),
        )
    ),
)

KINDS: list[tuple[str, str, str, Schema]] = [
    ("keda.sh", "v1alpha1", "ScaledObject", SCALED_OBJECT),
    ("keda.sh", "v1alpha1", "TriggerAuthentication", TRIGGER_AUTHENTICATION),
    ("monitoring.coreos.com", "v1", "PodMonitor", POD_MONITOR),
    ("monitoring.coreos.com", "v1", "PrometheusRule", PROMETHEUS_RULE),
    ("monitoring.coreos.com", "v1", "ServiceMonitor", SERVICE_MONITOR),
    ("external-secrets.io", "v1", "ExternalSecret", EXTERNAL_SECRET),
    ("secrets-store.csi.x-k8s.io", "v1", "SecretProviderClass", SECRET_PROVIDER_CLASS),
    ("gateway.networking.k8s.io", "v1", "HTTPRoute", HTTP_ROUTE),
    ("argoproj.io", "v1alpha1", "Rollout", ROLLOUT),
    ("argoproj.io", "v1alpha1", "AnalysisTemplate", ANALYSIS_TEMPLATE),
    ("elbv2.k8s.aws", "v1beta1", "TargetGroupBinding", TARGET_GROUP_BINDING),
]


@contextmanager
def install_third_party_resources(platform: Platform) -> Iterator[None]:
    """Install the definitions of all these kinds in the API server during the block."""
    definitions = make_definitions()
    manifest, context = to_manifest_list(definitions), platform.context
    apply(platform, definitions)
    try:
        wait_until_established(context, "-f", "-", stdin=manifest)
        yield
    finally:
        run_kubectl(context, "delete", "-f", "-", stdin=manifest)


def make_definitions() -> list[dict[str, Any]]:
    """Return the definitions of all these kinds."""
    return [_make_definition(*kind) for kind in KINDS]


def _make_definition(group: str, version: str, kind: str, spec: Schema) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        # The API server refuses a definition in a group of Kubernetes without this annotation.
        "metadata": {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _make_object("spec", spec=spec)},
                }
            ],
        },
    }
