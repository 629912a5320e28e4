"""Model of the Tenant resource: spec, status, conditions.

The API server validates Tenants by ``crds/tenants.tenantry.io.yaml``; a test compares the two definitions.
Unknown fields are ignored, so that an older service accepts objects of a newer CRD.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from . import names
from .emails import EMAIL_PATTERN
from .quantities import QUANTITY_PATTERN, parse_quantity

__all__ = [
    "Compute",
    "Condition",
    "DeletionPolicy",
    "Guardrail",
    "Identity",
    "IdentityStatus",
    "Model",
    "Persona",
    "Quota",
    "QuotaStatus",
    "Retrieval",
    "RetrievalMode",
    "StatusSection",
    "StorageStatus",
    "Tenant",
    "TenantClass",
    "TenantSpec",
    "TenantStatus",
    "Tier",
    "VectorsStatus",
    "WorkspaceKnowledge",
    "WorkspaceStatus",
    "get_tenant_class",
]

GUARDRAIL_PATTERN = r"^([a-z0-9]+|arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+)?$"
"""Id or ARN of a guardrail as Bedrock's API defines it; can be empty."""

EmailPattern = Annotated[str, StringConstraints(pattern=EMAIL_PATTERN, max_length=254)]
Quantity = Annotated[str, StringConstraints(pattern=QUANTITY_PATTERN, max_length=20)]
Count = Annotated[str, StringConstraints(pattern=r"^[0-9]+$", max_length=7)]
Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40)]
ModelId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:/_-]*$", max_length=2048)]
GuardrailId = Annotated[str, StringConstraints(pattern=GUARDRAIL_PATTERN, max_length=2048)]
GuardrailVersion = Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]*|DRAFT)?$", max_length=8)]
TenantClass = Label
"""Name of a class of Tenants: each release of Tenantry in a cluster serves one class."""

CamelCase = r"^[A-Z][A-Za-z0-9]*$"


class _Resource(BaseModel):
    """Immutable model with camelCase field names in JSON."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")


class Tier(StrEnum):
    """Isolation of a tenant's points: shared or dedicated collection."""

    POOLED = "pooled"
    DEDICATED = "dedicated"


class DeletionPolicy(StrEnum):
    """Treatment of a tenant's data when its Tenant is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class RetrievalMode(StrEnum):
    """Search method: dense vectors only, or dense and lexical."""

    DENSE = "dense"
    HYBRID = "hybrid"


class Identity(_Resource):
    """E-mail patterns of the tenant's members and administrators."""

    emails: list[EmailPattern] = Field(default_factory=list, max_length=64)
    admins: list[EmailPattern] = Field(default_factory=list, max_length=64)


class Persona(_Resource):
    """Assistant of the tenant, with separate documents."""

    id: Label
    display_name: str = Field("", max_length=80)
    instructions: str = Field("", max_length=8000)


class Guardrail(_Resource):
    """Bedrock guardrail of the tenant; empty for none."""

    id: GuardrailId = ""
    version: GuardrailVersion = ""


class Model(_Resource):
    """Chat model (empty: the platform's default) and use of the answer cache."""

    chat: ModelId = ""
    guardrail: Guardrail = Field(default_factory=Guardrail)
    cache_answers: bool = True


class Retrieval(_Resource):
    """Number, minimum score and search method of passages."""

    top_k: int = Field(3, ge=1, le=50)
    score_threshold: float = Field(0.0, ge=0.0, le=1.0)
    mode: RetrievalMode = RetrievalMode.HYBRID


class Compute(_Resource):
    """Limits of the tenant's namespace."""

    requests_cpu: Quantity | None = Field(None, alias="requests.cpu")
    requests_memory: Quantity | None = Field(None, alias="requests.memory")
    limits_cpu: Quantity | None = Field(None, alias="limits.cpu")
    limits_memory: Quantity | None = Field(None, alias="limits.memory")
    pods: Count | None = None


class Quota(_Resource):
    """Limits of the tenant's use."""

    documents: int = Field(10_000, ge=0, le=100_000_000)
    storage: Quantity = "50Gi"
    queries_per_minute: int = Field(60, ge=0, le=1_000_000)
    tokens_per_month: int = Field(5_000_000, ge=0, le=1_000_000_000_000)
    compute: Compute | None = None

    @property
    def storage_bytes(self) -> int:
        """Storage limit in bytes."""
        return int(parse_quantity(self.storage))


class TenantSpec(_Resource):
    """Desired state of a tenant."""

    display_name: str = Field("", max_length=80)
    tenant_class: TenantClass = names.DEFAULT_TENANT_CLASS
    tier: Tier = Tier.POOLED
    identity: Identity = Field(default_factory=Identity)
    personas: list[Persona] = Field(default_factory=list, max_length=64)
    model: Model = Field(default_factory=Model)
    retrieval: Retrieval = Field(default_factory=Retrieval)
    quota: Quota = Field(default_factory=Quota)
    suspended: bool = False
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN

    @property
    def email_patterns(self) -> list[str]:
        """Patterns of members and administrators."""
        return [*self.identity.emails, *self.identity.admins]


class Condition(_Resource):
    """Condition as the Kubernetes API conventions define it."""

    type: str = Field(pattern=CamelCase, max_length=316)
    status: Literal["True", "False", "Unknown"]
    reason: str = Field(pattern=CamelCase, max_length=1024)
    message: str = Field(max_length=32768)
    last_transition_time: str
    observed_generation: int | None = Field(None, ge=0)


class StatusSection(_Resource):
    """Base class of the sections that parts of the operator write to the status."""


class StorageStatus(StatusSection):
    """Location of the tenant's documents."""

    bucket: str
    prefix: str
    tenant_uid: str | None = None


class VectorsStatus(StatusSection):
    """Collection of the tenant's points, and the filter that selects them."""

    collection: str
    filter: dict[str, Any]


class IdentityStatus(StatusSection):
    """Tenant's group in Keycloak."""

    realm: str
    group_id: str
    group_path: str


class QuotaStatus(StatusSection):
    """Tenant's namespace, whose quota limits the tenant's pods; empty without a namespace.

    The resource's contract names the section ``quota``, so its name is kept (decision 172).
    """

    namespace: str


class WorkspaceKnowledge(_Resource):
    """Knowledge base of a persona in Open WebUI."""

    persona: str
    id: str


class WorkspaceStatus(StatusSection):
    """Tenant's group and knowledge bases in Open WebUI."""

    group_id: str
    knowledge: list[WorkspaceKnowledge] = Field(default_factory=list)


class TenantStatus(_Resource):
    """Result of the operator's last reconcile.

    A section that no service reads has no field here and is kept unchanged. The part of the operator that
    writes the section has its model.
    """

    model_config = ConfigDict(extra="allow")

    observed_generation: int | None = Field(None, ge=0)
    conditions: list[Condition] = Field(default_factory=list, max_length=32)
    personas: int | None = Field(None, ge=0)
    storage: StorageStatus | None = None
    vectors: VectorsStatus | None = None
    identity: IdentityStatus | None = None
    quota: QuotaStatus | None = None
    workspace: WorkspaceStatus | None = None

    @property
    def has_sections(self) -> bool:
        """True if at least one part of the operator has written its section."""
        known = (section for _, section in self if isinstance(section, StatusSection))
        return any(known) or bool(self.model_extra)

    def get_condition(self, type_: str) -> Condition | None:
        """Return the condition of a type, or ``None``."""
        return next((c for c in self.conditions if c.type == type_), None)


class Metadata(_Resource):
    """Fields of ``metadata`` that the services use."""

    name: str
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    finalizers: list[str] = Field(default_factory=list)
    annotations: dict[str, str] = Field(default_factory=dict)


class Tenant(_Resource):
    """Tenant as last received from the API server."""

    metadata: Metadata
    spec: TenantSpec
    status: TenantStatus = Field(default_factory=TenantStatus)

    @classmethod
    def from_object(cls, body: Any) -> Self:
        """Return the Tenant of a JSON object of the API server.

        Raises
        ------
        pydantic.ValidationError
            The object does not match this version of the model.
        """
        return cls.model_validate(dict(body))

    @property
    def id(self) -> str:
        """Tenant id: ``tenantb``."""
        return self.metadata.name

    @property
    def key(self) -> str:
        """Tenant key: ``tenant-tenantb``."""
        return names.build_tenant_key(self.id)

    @property
    def uid(self) -> str:
        """Uid of the Tenant, which differs for each Tenant created under a name."""
        return self.metadata.uid

    @property
    def collection(self) -> str:
        """Qdrant collection with the tenant's points."""
        return names.build_collection_name(self.id, dedicated=self.spec.tier is Tier.DEDICATED)

    @property
    def owns_storage(self) -> bool:
        """True if the operator has prepared the S3 prefix for this uid."""
        storage = self.status.storage
        return storage is not None and bool(self.uid) and storage.tenant_uid == self.uid

    @property
    def deleting(self) -> bool:
        """True if the Tenant is being deleted."""
        return self.metadata.deletion_timestamp is not None

    @property
    def seniority(self) -> tuple[str, str]:
        """Sort key by age, oldest first; Tenants of the same second sort by name."""
        created = self.metadata.creation_timestamp
        return (created.isoformat() if created else "", self.id)

    def get_persona(self, persona_id: str) -> Persona | None:
        """Return the persona with an id, or ``None``."""
        return next((p for p in self.spec.personas if p.id == persona_id), None)


def get_tenant_class(body: Mapping[str, Any]) -> str:
    """Return the class of a Tenant as a JSON object, even if the rest of the Tenant cannot be parsed."""
    return str((body.get("spec") or {}).get("tenantClass") or names.DEFAULT_TENANT_CLASS)
