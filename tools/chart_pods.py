"""Schemas of the fields that pods have in the chart's values, with the rules of the API server."""

from . import chart_formats as formats
from .chart_formats import Schema

__all__ = ["POD_FIELDS", "TEXT", "build_list_schema"]

TEXT: Schema = {"type": "string", "minLength": 1}

LABEL_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
LABEL_KEY = rf"([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{LABEL_NAME}"
RESERVED_LABELS = (
    r"app\.kubernetes\.io/(name|instance|component|part-of)",  # of selectors and network policies
    r"(apps|batch|statefulset)\.kubernetes\.io/.*",
    "pod-template-hash|controller-revision-hash|controller-uid|job-name|rollouts-pod-template-hash",
)
"""Labels of pods that the chart or a controller sets."""

RELATIVE_PATH: Schema = {
    "type": "string",
    "not": {"anyOf": [{"pattern": "^/"}, {"pattern": r"(^|/)\.\.(/|$)"}]},
}
"""A path that stays in its volume."""

LABEL: Schema = {"type": "string", "pattern": f"^({LABEL_NAME})?$"}


def _build_map_schema(value: Schema, **refused: Schema) -> Schema:
    """Return the schema of a map with the keys of labels; ``patternProperties`` name a wrong key's path."""
    return {
        "type": "object",
        "patternProperties": {f"^{LABEL_KEY}$": value, **refused},
        "additionalProperties": False,
    }


def build_list_schema(required: tuple[str, ...], *conditions: Schema, **properties: Schema) -> Schema:
    """Return the schema of a list of objects with these fields and no others, which meet all conditions."""
    item = build_object_schema(required, **properties)
    return {
        "type": "array",
        "uniqueItems": True,
        "items": item | ({"allOf": [*conditions]} if conditions else {}),
    }


def _build_condition(field: str, given: Schema, /, **then: Schema) -> Schema:
    """Return a condition: if a field has a value, other fields have theirs."""
    return {
        "if": {"properties": {field: given}, "required": [field]},
        "then": {"properties": then},
    }


def build_object_schema(required: tuple[str, ...], **properties: Schema) -> Schema:
    """Return the schema of an object with these fields and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(required),
    }


def _build_filled_list(item: Schema) -> Schema:
    """Return the schema of a list with at least one item."""
    return {"type": "array", "minItems": 1, "items": item}


def _build_expressions(key: Schema, *, compares: bool) -> Schema:
    """Return the schema of expressions about labels; those about nodes may compare numbers."""
    names: dict[str, Schema] = {"key": key}
    variants = [
        build_object_schema(
            ("key", "operator", "values"),
            operator={"enum": ["In", "NotIn"]},
            values=_build_filled_list(LABEL),
            **names,
        ),
        build_object_schema(
            ("key", "operator"),
            operator={"enum": ["Exists", "DoesNotExist"]},
            values={"type": "array", "maxItems": 0},
            **names,
        ),
        build_object_schema(
            ("key", "operator", "values"),
            operator={"enum": ["Gt", "Lt"]},
            values={
                "type": "array",
                "minItems": 1,
                "maxItems": 1,
                "items": formats.explain("^-?[0-9]{1,18}$", "a whole number"),
            },
            **names,
        ),
    ]
    return {"type": "array", "items": {"anyOf": variants if compares else variants[:2]}}


KEY: Schema = {"type": "string", "pattern": f"^{LABEL_KEY}$"}

LABEL_SELECTOR = build_object_schema(
    (), matchLabels=_build_map_schema(LABEL), matchExpressions=_build_expressions(KEY, compares=False)
)

NODE_TERM = build_object_schema(
    (),
    matchExpressions=_build_expressions(KEY, compares=True),
    matchFields={
        "type": "array",
        "items": build_object_schema(
            ("key", "operator", "values"),
            key={"const": "metadata.name"},
            operator={"enum": ["In", "NotIn"]},
            values={"type": "array", "minItems": 1, "maxItems": 1, "items": formats.NAME},
        ),
    },
) | {"minProperties": 1}  # an empty term selects no node

POD_TERM = build_object_schema(
    ("topologyKey",),
    topologyKey=KEY,
    labelSelector=LABEL_SELECTOR,
    namespaceSelector=LABEL_SELECTOR,
    namespaces={"type": "array", "items": formats.NAMESPACE},
    matchLabelKeys={"type": "array", "items": KEY},
    mismatchLabelKeys={"type": "array", "items": KEY},
) | {"dependencies": {"matchLabelKeys": ["labelSelector"], "mismatchLabelKeys": ["labelSelector"]}}


def _build_preferences(name: str, term: Schema) -> Schema:
    """Return the schema of weighted preferences, whose term has this name."""
    weight: Schema = {"type": "integer", "minimum": 1, "maximum": 100}
    return {
        "type": "array",
        "items": build_object_schema(("weight", name), **{"weight": weight, name: term}),
    }


POD_AFFINITY = build_object_schema(
    (),
    requiredDuringSchedulingIgnoredDuringExecution={"type": "array", "items": POD_TERM},
    preferredDuringSchedulingIgnoredDuringExecution=_build_preferences("podAffinityTerm", POD_TERM),
)
AFFINITY = build_object_schema(
    (),
    nodeAffinity=build_object_schema(
        (),
        requiredDuringSchedulingIgnoredDuringExecution=build_object_schema(
            ("nodeSelectorTerms",), nodeSelectorTerms=_build_filled_list(NODE_TERM)
        ),
        preferredDuringSchedulingIgnoredDuringExecution=_build_preferences("preference", NODE_TERM),
    ),
    podAffinity=POD_AFFINITY,
    podAntiAffinity=POD_AFFINITY,
)

MODE: Schema = {"type": "integer", "minimum": 0, "maximum": 0o777}
FLAG: Schema = {"type": "boolean"}
ITEMS = _build_filled_list(build_object_schema(("key", "path"), key=TEXT, path=RELATIVE_PATH, mode=MODE))
DOWNWARD_ITEMS: Schema = {
    "type": "array",
    "items": build_object_schema(
        ("path",),
        path=RELATIVE_PATH,
        mode=MODE,
        fieldRef=formats.build_field_reference("metadata.(name|namespace|uid|labels|annotations)"),
        resourceFieldRef=formats.RESOURCE_REFERENCE | {"required": ["containerName", "resource"]},
    )
    | {"oneOf": [{"required": ["fieldRef"]}, {"required": ["resourceFieldRef"]}]},
}
PROJECTED_SOURCES = {
    "secret": build_object_schema(("name",), name=formats.NAME, items=ITEMS, optional=FLAG),
    "configMap": build_object_schema(("name",), name=formats.NAME, items=ITEMS, optional=FLAG),
    "downwardAPI": build_object_schema((), items=DOWNWARD_ITEMS),
    "serviceAccountToken": build_object_schema(
        ("path",),
        path=RELATIVE_PATH,
        audience=TEXT,
        expirationSeconds={"type": "integer", "minimum": 600, "maximum": 2**32},
    ),
    "clusterTrustBundle": build_object_schema(
        ("path",),
        path=RELATIVE_PATH,
        name=TEXT,
        signerName=TEXT,
        labelSelector=LABEL_SELECTOR,
        optional=FLAG,
    ),
}
VOLUME_SOURCES: dict[str, Schema] = {
    "configMap": build_object_schema(
        ("name",), name=formats.NAME, items=ITEMS, defaultMode=MODE, optional=FLAG
    ),
    "secret": build_object_schema(
        ("secretName",), secretName=formats.NAME, items=ITEMS, defaultMode=MODE, optional=FLAG
    ),
    "emptyDir": build_object_schema(
        (),
        medium=formats.explain("^(Memory|HugePages(-[0-9]+[KMG]i)?)?$", "Memory, HugePages-<size>, or empty"),
        sizeLimit=formats.MEMORY,
    ),
    "persistentVolumeClaim": build_object_schema(("claimName",), claimName=formats.NAME, readOnly=FLAG),
    "downwardAPI": build_object_schema((), items=DOWNWARD_ITEMS, defaultMode=MODE),
    "projected": build_object_schema(
        ("sources",),
        sources={
            "type": "array",
            "items": build_object_schema((), **PROJECTED_SOURCES) | {"minProperties": 1, "maxProperties": 1},
        },
        defaultMode=MODE,
    ),
    "csi": build_object_schema(
        ("driver",),
        driver=TEXT,
        readOnly=FLAG,
        fsType={"type": "string"},
        volumeAttributes={"type": "object", "additionalProperties": {"type": "string"}},
        nodePublishSecretRef=build_object_schema(("name",), name=formats.NAME),
    ),
    "ephemeral": build_object_schema(
        ("volumeClaimTemplate",),
        volumeClaimTemplate=build_object_schema(
            ("spec",),
            metadata={"type": "object"},
            spec={"type": "object", "required": ["accessModes", "resources"]},
        ),
    ),
}
"""Kinds of volumes that Pod Security "restricted" allows."""


POD_FIELDS: dict[str, Schema] = {
    "nodeSelector": _build_map_schema(LABEL),
    "tolerations": build_list_schema(
        (),
        # The rules of the API server.
        _build_condition("operator", {"const": "Exists"}, value={"maxLength": 0}),
        {
            "anyOf": [
                {"required": ["key"]},
                {"properties": {"operator": {"const": "Exists"}}, "required": ["operator"]},
            ]
        },
        {
            "if": {"required": ["tolerationSeconds"]},
            "then": {
                "properties": {"effect": {"const": "NoExecute"}},
                "required": ["effect"],
            },
        },
        key={"type": "string"},
        operator={"enum": ["Exists", "Equal"]},
        value={"type": "string"},
        effect={"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
        tolerationSeconds={"type": "integer"},
    ),
    "affinity": AFFINITY,
    "topologySpreadConstraints": build_list_schema(
        ("maxSkew", "topologyKey", "whenUnsatisfiable"),
        _build_condition("whenUnsatisfiable", {"const": "ScheduleAnyway"}, minDomains={"not": {}}),
        maxSkew={"type": "integer", "minimum": 1},
        minDomains={"type": "integer", "minimum": 1},
        topologyKey=TEXT,
        whenUnsatisfiable={"enum": ["DoNotSchedule", "ScheduleAnyway"]},
        labelSelector=LABEL_SELECTOR,
        matchLabelKeys={"type": "array", "items": TEXT},
        nodeAffinityPolicy={"enum": ["Honor", "Ignore"]},
        nodeTaintsPolicy={"enum": ["Honor", "Ignore"]},
    ),
    "priorityClassName": {"type": "string", "pattern": "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$"},
    "podLabels": _build_map_schema(LABEL, **{f"^({'|'.join(RESERVED_LABELS)})$": {"not": {}}}),
    "podAnnotations": _build_map_schema(
        {"type": "string"}, **{r"^(checksum/config|tenantry\.io/secret-versions)$": {"not": {}}}
    ),
    "extraVolumes": {
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"},
                **VOLUME_SOURCES,
            },
            "required": ["name"],
            "minProperties": 2,  # the name and one source
            "maxProperties": 2,
        },
    },
    "extraVolumeMounts": build_list_schema(
        ("name", "mountPath"),
        {
            "if": {
                "properties": {"recursiveReadOnly": {"enum": ["IfPossible", "Enabled"]}},
                "required": ["recursiveReadOnly"],
            },
            "then": {"properties": {"readOnly": {"const": True}}, "required": ["readOnly"]},
        },
        {"not": {"required": ["subPath", "subPathExpr"]}},
        name=TEXT,
        mountPath=formats.explain(
            {"pattern": "^(/[^/:]+)+$", "not": {"pattern": r"/\.\.?(/|$)"}},
            "an absolute path without trailing slash, below the root folder",
        ),
        subPath=RELATIVE_PATH,
        subPathExpr=RELATIVE_PATH,
        readOnly={"type": "boolean"},
        recursiveReadOnly={"enum": ["Disabled", "IfPossible", "Enabled"]},
        mountPropagation={"enum": ["None", "HostToContainer"]},
    ),
}
"""Schemas of the fields that the values have for the pods of each workload."""
