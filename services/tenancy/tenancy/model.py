"""The Tenant resource as Python sees it: spec, status, conditions.

The API server has already validated what arrives here (``crds/tenants.tenantry.io.yaml``); a test holds
the two definitions against each other. Unknown fields are ignored, so that a newer CRD does not stop an
older service.
"""

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
    "TenantSpec",
    "TenantStatus",
    "Tier",
    "VectorsStatus",
    "WorkspaceKnowledge",
    "WorkspaceStatus",
]

GUARDRAIL_PATTERN = r"^([a-z0-9]+|arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+)?$"
"""An id or ARN as Bedrock's own API defines it, or nothing."""

EmailPattern = Annotated[str, StringConstraints(pattern=EMAIL_PATTERN, max_length=254)]
Quantity = Annotated[str, StringConstraints(pattern=QUANTITY_PATTERN, max_length=20)]
Count = Annotated[str, StringConstraints(pattern=r"^[0-9]+$", max_length=7)]
Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40)]
ModelId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:/_-]*$", max_length=2048)]
GuardrailId = Annotated[str, StringConstraints(pattern=GUARDRAIL_PATTERN, max_length=2048)]
GuardrailVersion = Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]*|DRAFT)?$", max_length=8)]
CamelCase = r"^[A-Z][A-Za-z0-9]*$"


class _Resource(BaseModel):
    """camelCase outside, snake_case inside, never changed after it was read."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")


class Tier(StrEnum):
    """Where a tenant's points lie."""

    POOLED = "pooled"
    DEDICATED = "dedicated"


class DeletionPolicy(StrEnum):
    """What happens to a tenant's data when its Tenant is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class RetrievalMode(StrEnum):
    """How passages are found."""

    DENSE = "dense"
    HYBRID = "hybrid"


class Identity(_Resource):
    """Who belongs to the tenant."""

    emails: list[EmailPattern] = Field(default_factory=list, max_length=64)
    admins: list[EmailPattern] = Field(default_factory=list, max_length=64)


class Persona(_Resource):
    """One assistant of the tenant, with its own documents."""

    id: Label
    display_name: str = Field("", max_length=80)
    instructions: str = Field("", max_length=8000)


class Guardrail(_Resource):
    """A Bedrock guardrail of the tenant's own; empty for none."""

    id: GuardrailId = ""
    version: GuardrailVersion = ""


class Model(_Resource):
    """Which model answers, empty for the platform's default; and whether its answers are given again."""

    chat: ModelId = ""
    guardrail: Guardrail = Field(default_factory=Guardrail)
    cache_answers: bool = True


class Retrieval(_Resource):
    """How many passages are found, how good they must be, and how."""

    top_k: int = Field(3, ge=1, le=50)
    score_threshold: float = Field(0.0, ge=0.0, le=1.0)
    mode: RetrievalMode = RetrievalMode.HYBRID


class Compute(_Resource):
    """Limits of the tenant's own namespace."""

    requests_cpu: Quantity | None = Field(None, alias="requests.cpu")
    requests_memory: Quantity | None = Field(None, alias="requests.memory")
    limits_cpu: Quantity | None = Field(None, alias="limits.cpu")
    limits_memory: Quantity | None = Field(None, alias="limits.memory")
    pods: Count | None = None


class Quota(_Resource):
    """What the tenant may use."""

    documents: int = Field(10_000, ge=0, le=100_000_000)
    storage: Quantity = "50Gi"
    queries_per_minute: int = Field(60, ge=0, le=1_000_000)
    tokens_per_month: int = Field(5_000_000, ge=0, le=1_000_000_000_000)
    compute: Compute | None = None

    @property
    def storage_bytes(self) -> int:
        """The storage limit in bytes."""
        return int(parse_quantity(self.storage))


class TenantSpec(_Resource):
    """What a platform engineer declares."""

    display_name: str = Field("", max_length=80)
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
        """Every pattern by which an address belongs to the tenant, administrators' among them."""
        return [*self.identity.emails, *self.identity.admins]


class Condition(_Resource):
    """One condition, as the Kubernetes API conventions define it."""

    type: str = Field(pattern=CamelCase, max_length=316)
    status: Literal["True", "False", "Unknown"]
    reason: str = Field(pattern=CamelCase, max_length=1024)
    message: str = Field(max_length=32768)
    last_transition_time: str
    observed_generation: int | None = Field(None, ge=0)


class StatusSection(_Resource):
    """Base class of the sections that parts of the operator write to the status."""


class StorageStatus(StatusSection):
    """Where the tenant's documents lie."""

    bucket: str
    prefix: str
    tenant_uid: str | None = None


class VectorsStatus(StatusSection):
    """Where the tenant's points lie, and the filter that finds them."""

    collection: str
    filter: dict[str, Any]


class IdentityStatus(StatusSection):
    """The tenant's group in Keycloak."""

    realm: str
    group_id: str
    group_path: str


class QuotaStatus(StatusSection):
    """The tenant's namespace, where it has one."""

    namespace: str


class WorkspaceKnowledge(_Resource):
    """The knowledge base of one persona in Open WebUI."""

    persona: str
    id: str


class WorkspaceStatus(StatusSection):
    """What the tenant has in Open WebUI: its group, and a knowledge base a persona."""

    group_id: str
    knowledge: list[WorkspaceKnowledge] = Field(default_factory=list)


class TenantStatus(_Resource):
    """Result of the operator's last reconcile.

    A section that no service reads has no field here; it is kept as it is. Its model is with its part.
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
        """True when a part of the operator has created something for the Tenant."""
        known = (section for _, section in self if isinstance(section, StatusSection))
        return any(known) or bool(self.model_extra)

    def condition(self, type_: str) -> Condition | None:
        """Return the condition of that type, or ``None`` when it was never set."""
        return next((c for c in self.conditions if c.type == type_), None)


class Metadata(_Resource):
    """The part of ``metadata`` that matters here."""

    name: str
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    finalizers: list[str] = Field(default_factory=list)
    annotations: dict[str, str] = Field(default_factory=dict)


class Tenant(_Resource):
    """One Tenant, as the API server last showed it."""

    metadata: Metadata
    spec: TenantSpec
    status: TenantStatus = Field(default_factory=TenantStatus)

    @classmethod
    def from_object(cls, body: Any) -> Self:
        """Read a Tenant from the API server's JSON object.

        Raises
        ------
        pydantic.ValidationError
            The object does not fit this version of the model.
        """
        return cls.model_validate(dict(body))

    @property
    def id(self) -> str:
        """The tenant id: ``tenantb``."""
        return self.metadata.name

    @property
    def key(self) -> str:
        """The tenant key: ``tenant-tenantb``."""
        return names.tenant_key(self.id)

    @property
    def uid(self) -> str:
        """The Tenant's identity: another one for each Tenant that is created under a name."""
        return self.metadata.uid

    @property
    def collection(self) -> str:
        """The Qdrant collection that holds the tenant's points."""
        return names.collection_name(self.id, dedicated=self.spec.tier is Tier.DEDICATED)

    @property
    def owns_storage(self) -> bool:
        """Whether the operator has prepared the S3 prefix for this very Tenant."""
        storage = self.status.storage
        return storage is not None and bool(self.uid) and storage.tenant_uid == self.uid

    @property
    def deleting(self) -> bool:
        """Whether the Tenant is on its way out."""
        return self.metadata.deletion_timestamp is not None

    @property
    def seniority(self) -> tuple[str, str]:
        """Order of age, oldest first; Tenants of the same second go by name."""
        created = self.metadata.creation_timestamp
        return (created.isoformat() if created else "", self.id)

    def persona(self, persona_id: str) -> Persona | None:
        """Return the persona of that id, or ``None``."""
        return next((p for p in self.spec.personas if p.id == persona_id), None)
