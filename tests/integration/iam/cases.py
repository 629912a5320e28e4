"""Requests that AWS must allow or deny, by role. The policies are the documents of ``infra/iam``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from string import Template
from typing import Any

from tenancy.sessions import build_session_policy
from tenantry_local.context import REPOSITORY
from typing_extensions import override

from tests.support.tenants.manifests import make_tenant
from tools.iam_simulator import Request

__all__ = ["CASES", "FOLDER", "PolicyCase", "load_documents"]

FOLDER = REPOSITORY / "infra" / "iam"

ACCOUNT = "123456789012"
OTHER_ACCOUNT = "210987654321"
BUCKET, FILES = "the-documents", "the-files"
OWN, OTHER = "acme", "globex"
CLUSTER, NAMESPACE, SERVICE_ACCOUNT = "tenantry-prod", "tenantry", "tenantry-gateway"
POD_IDENTITY = "pods.eks.amazonaws.com"

BUCKET_ARN, FILES_ARN = f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{FILES}"
DOCUMENT = f"{BUCKET_ARN}/tenant-{OWN}/hr/documents/d1/leave.pdf"
OTHER_DOCUMENT = f"{BUCKET_ARN}/tenant-{OTHER}/hr/documents/d1/leave.pdf"
NEIGHBOUR = f"{BUCKET_ARN}/tenant-{OWN}-two/hr/documents/d1/leave.pdf"
TRASH = f"{BUCKET_ARN}/tenant-{OWN}/.trash/d1.json"
RETAINED = f"{BUCKET_ARN}/retained/tenant-{OWN}/hr/documents/d1/leave.pdf"
RECEIPT = f"{BUCKET_ARN}/receipts/erasure/tenant-{OWN}/1.json"
OTHER_RECEIPT = f"{BUCKET_ARN}/receipts/other.json"
UNNAMED = f"{BUCKET_ARN}//x"
MARKER = f"{BUCKET_ARN}/tenant-{OWN}/hr/documents/"
FILE = f"{FILES_ARN}/0123_leave.pdf"
MODEL = "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-text-v2:0"
PROFILE = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:inference-profile/us.anthropic.claude-sonnet-4-6"
OWN_PROFILE = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:application-inference-profile/abc123"
OTHER_PROFILE = f"arn:aws:bedrock:us-east-1:{OTHER_ACCOUNT}:application-inference-profile/abc123"
GUARDRAIL = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:guardrail/abc123"
OTHER_GUARDRAIL = f"arn:aws:bedrock:us-east-1:{OTHER_ACCOUNT}:guardrail/abc123"


def _to_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/tenantry-{name}"


def _build_account_trust(*actions: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": [*actions]}
        ],
    }


OTHER_DOCUMENTS: dict[str, dict[str, Any]] = {
    # Most accounts have a role that trusts the whole account.
    "account-trust": _build_account_trust("sts:AssumeRole", "sts:TagSession"),
    "open-trust": _build_account_trust("sts:*"),
    "too-wide": {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    },
}
"""Documents that others could write: trust policies, and a policy that only the boundary limits."""


def _to_session_arn(role: str) -> str:
    return f"arn:aws:sts::{ACCOUNT}:assumed-role/tenantry-{role}/session"


def load_documents() -> dict[str, dict[str, Any]]:
    """Return the documents by name, with their variables filled in. Variables of AWS remain."""
    values = {
        "account": ACCOUNT,
        "bucket": BUCKET,
        "files": FILES,
        "cluster": CLUSTER,
        "namespace": NAMESPACE,
    }
    values["serviceAccount"] = SERVICE_ACCOUNT
    return {
        file.stem: json.loads(Template(file.read_text()).safe_substitute(values))
        for file in sorted(FOLDER.glob("*.json"))
        if file.stem != "trust"  # for the users of the local platform
    }


@dataclass(frozen=True)
class PolicyCase:
    """A request and AWS' decision.

    Parameters
    ----------
    role
        Role of the caller: a document's name.
    action, resource
        The request.
    allowed
        The decision.
    tenant
        Value of the session tag ``tenant``.
    session
        Tenant of the session policy that gateway and file-sync add to the role ``tenant``.
    trust
        Document of the trust policy of the role that is assumed.
    context
        Further context keys.
    bounded
        True if the role has the permission boundary, as every role has on AWS.
    """

    role: str
    action: str
    resource: str
    allowed: bool
    tenant: str = ""
    session: str = ""
    trust: str = ""
    context: Mapping[str, str] = field(default_factory=dict)
    bounded: bool = False

    @override
    def __str__(self) -> str:
        decision = ("may" if self.allowed else "may not") + (" within the boundary" if self.bounded else "")
        return f"{self.role}{self.tenant and f'[{self.tenant}]'} {decision} {self.action} {self.resource}"

    @property
    def documents(self) -> set[str]:
        """Return the names of the documents that decide."""
        return {self.role, self.trust} | ({"boundary"} if self.bounded else set())

    def to_request(self, documents: Mapping[str, Mapping[str, Any]]) -> Request:
        """Return the request to the simulator."""
        tags = {"aws:PrincipalTag/tenant": f"tenant-{self.tenant}"} if self.tenant else {}
        documents = OTHER_DOCUMENTS | dict(documents)
        policy = documents.get(self.role)
        return Request(
            self.role if self.role == POD_IDENTITY else _to_session_arn(self.role),
            self.action,
            self.resource,
            ACCOUNT,
            {self.role: policy} if policy and policy["Statement"] else {},
            session_policy=build_session_policy(BUCKET, make_tenant(self.session)) if self.session else None,
            resource_policy=documents[self.trust] if self.trust else None,
            boundary=documents["boundary"] if self.bounded else None,
            context={**tags, **self.context},
        )


def _call(role: str, resources: Mapping[str, bool], *actions: str, **more: Any) -> list[PolicyCase]:
    """Return a case for each resource, with its decision, and each action."""
    return [
        PolicyCase(role, action, each, allowed, **more)
        for each, allowed in resources.items()
        for action in actions
    ]


def _assume_role(
    role: str, target: str, *, allowed: bool, tag: str | None = f"tenant-{OWN}"
) -> list[PolicyCase]:
    """Return the cases of a pod's role that assumes another role.

    The tags of EKS Pod Identity are transitive: the next session inherits them. So AWS asks for
    ``sts:TagSession`` too, even if the caller passes no tags.

    Parameters
    ----------
    tag
        Value of the tag ``tenant`` that the caller passes; None for no tag.
    """
    tags = {} if tag is None or target == "retention" else {"aws:RequestTag/tenant": tag}
    context = _list_pod_tags(role) | tags
    return [
        PolicyCase(role, action, _to_arn(target), allowed, trust=f"{target}-trust", context=context)
        for action in ("sts:AssumeRole", "sts:TagSession")
    ]


def _list_pod_tags(role: str) -> dict[str, str]:
    """Return the tags of a pod's session, which EKS Pod Identity sets."""
    return {
        f"aws:PrincipalTag/{key}": value
        for key, value in {
            "eks-cluster-name": CLUSTER,
            "kubernetes-namespace": NAMESPACE,
            "kubernetes-service-account": f"tenantry-{role}",
        }.items()
    }


def _list(
    role: str, bucket: str, prefix: str, *, allowed: bool, action: str = "s3:ListBucket", **more: Any
) -> PolicyCase:
    return PolicyCase(role, action, bucket, allowed, context={"s3:prefix": prefix}, **more)


OTHER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/administrator"

OTHER_BUCKET = "arn:aws:s3:::the-backups"
OTHER_OBJECT = f"{OTHER_BUCKET}/x"
GATEWAY_ROLE = _to_arn("gateway")
SNAPSHOT = f"{BUCKET_ARN}/snapshots/tenantry/tenantry-qdrant/1.snapshot"
POD_TAGS = {
    "aws:SourceAccount": ACCOUNT,
    "aws:RequestTag/eks-cluster-name": CLUSTER,
    "aws:RequestTag/kubernetes-namespace": NAMESPACE,
    "aws:RequestTag/kubernetes-service-account": SERVICE_ACCOUNT,
}
"""Context of the Pod Identity agent's call for a pod of the gateway."""

NO_TENANTS = (
    "snapshots",
    "receipts",
    "receipts/erasure",
    "retained",
    f"retained/tenant-{OWN}",
    "tenant-",
    OWN,
    "",
)
"""Values of the tag ``tenant`` that are no tenant's key. Most are prefixes of the bucket for other data."""

LISTS = ("s3:ListBucket", "s3:ListBucketMultipartUploads")

ROLE_CASES = [
    # --- no role of Tenantry reaches a role that trusts the whole account ---
    *(
        PolicyCase(role, action, OTHER_ROLE, allowed=False, trust="account-trust")
        for role in ("operator", "gateway", "file-sync", "open-webui", "tenant", "models", "retention")
        for action in ("sts:AssumeRole", "sts:TagSession")
    ),
    *(
        PolicyCase(
            role, "sts:SetSourceIdentity", _to_arn(target), allowed=False, trust=f"{target}-trust",
            context={"aws:RequestTag/tenant": f"tenant-{OWN}"},
        )
        for role, target in (("gateway", "tenant"), ("gateway", "models"), ("operator", "retention"))
    ),
    # --- gateway and file-sync: no document, and no model, without a session for a tenant ---
    *_assume_role("gateway", "tenant", allowed=True),
    *_assume_role("gateway", "models", allowed=True),
    *_assume_role("gateway", "retention", allowed=False),
    *_assume_role("file-sync", "tenant", allowed=True),
    *_assume_role("file-sync", "models", allowed=False),
    *_assume_role("file-sync", "retention", allowed=False),
    *(
        case
        for tag in (*NO_TENANTS, None)
        for role, target in (("gateway", "tenant"), ("gateway", "models"), ("file-sync", "tenant"))
        for case in _assume_role(role, target, allowed=False, tag=tag)
    ),
    *_call("gateway", {DOCUMENT: False, FILE: False}, "s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
    *_call("gateway", {BUCKET_ARN: False, FILES_ARN: False}, "s3:ListBucket"),
    *_call("gateway", {MODEL: False, PROFILE: False}, "bedrock:InvokeModel"),
    *_call("gateway", {MODEL: True}, "bedrock:GetFoundationModel"),
    *_call(
        "gateway", {PROFILE: True, OWN_PROFILE: True, OTHER_PROFILE: False}, "bedrock:GetInferenceProfile"
    ),
    *_call("file-sync", {DOCUMENT: False}, "s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
    *_call("file-sync", {FILE: True}, "s3:GetObject"),
    *_call("file-sync", {FILE: False}, "s3:PutObject", "s3:DeleteObject", "s3:GetObjectVersion"),
    *_call("file-sync", {FILES_ARN: True, BUCKET_ARN: False}, "s3:ListBucket"),
    *_call("file-sync", {FILES_ARN: False}, "s3:PutBucketPolicy", "s3:DeleteBucket"),
    *_call("file-sync", {MODEL: False}, "bedrock:InvokeModel"),
    # --- tenant: the session tag alone limits the role, even without a session policy ---
    *_call(
        "tenant",
        {DOCUMENT: True, TRASH: True, **dict.fromkeys((OTHER_DOCUMENT, NEIGHBOUR, RETAINED, FILE), False)},
        "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload",
        tenant=OWN,
    ),
    *_call("tenant", {DOCUMENT: False, RECEIPT: False}, "s3:GetObject", "s3:PutObject"),  # without a tag
    *_call("tenant", {DOCUMENT: False}, "s3:DeleteObjectVersion", "s3:PutObjectAcl", tenant=OWN),
    _list("tenant", BUCKET_ARN, f"tenant-{OWN}/", allowed=True, tenant=OWN),
    _list("tenant", BUCKET_ARN, f"tenant-{OWN}/hr/documents/", allowed=True, tenant=OWN),
    _list("tenant", BUCKET_ARN, f"tenant-{OTHER}/", allowed=False, tenant=OWN),
    _list("tenant", BUCKET_ARN, f"tenant-{OWN}-two/", allowed=False, tenant=OWN),
    _list("tenant", BUCKET_ARN, "", allowed=False, tenant=OWN),
    _list("tenant", FILES_ARN, f"tenant-{OWN}/", allowed=False, tenant=OWN),
    _list("tenant", BUCKET_ARN, f"tenant-{OWN}/", allowed=False, tenant=OWN, action="s3:ListBucketVersions"),
    PolicyCase("tenant", "bedrock:InvokeModel", MODEL, allowed=False, tenant=OWN),
    # a tag that is no tenant's key opens no other prefix of the bucket
    *(
        case
        for tag in NO_TENANTS
        for case in (
            *_call(
                "tenant",
                dict.fromkeys((SNAPSHOT, RECEIPT, OTHER_RECEIPT, RETAINED, UNNAMED), False),
                "s3:GetObject", "s3:PutObject", "s3:DeleteObject",
                context={"aws:PrincipalTag/tenant": tag},
            ),
            *(
                PolicyCase(
                    "tenant", "s3:ListBucket", BUCKET_ARN, allowed=False,
                    context={"aws:PrincipalTag/tenant": tag, "s3:prefix": f"{tag}/{rest}"},
                )
                for rest in ("", "tenantry/")
            ),
        )
    ),
    # the session policy of gateway and file-sync limits it as well: a wrong tag opens nothing
    PolicyCase("tenant", "s3:GetObject", DOCUMENT, allowed=True, tenant=OWN, session=OWN),
    PolicyCase("tenant", "s3:GetObject", DOCUMENT, allowed=False, tenant=OWN, session=OTHER),
    PolicyCase("tenant", "s3:GetObject", OTHER_DOCUMENT, allowed=False, tenant=OWN, session=OTHER),
    # --- models ---
    *_call(
        "models",
        {MODEL: True, PROFILE: True, OWN_PROFILE: True, OTHER_PROFILE: False},
        "bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream",
        tenant=OWN,
    ),
    *_call("models", {GUARDRAIL: True, OTHER_GUARDRAIL: False}, "bedrock:ApplyGuardrail", tenant=OWN),
    *_call("models", {GUARDRAIL: False}, "bedrock:DeleteGuardrail", tenant=OWN),
    PolicyCase("models", "bedrock:DeleteInferenceProfile", OWN_PROFILE, allowed=False, tenant=OWN),
    *_call("models", {DOCUMENT: False}, "s3:GetObject", "s3:PutObject", tenant=OWN),
    # --- operator: markers, deletion and receipts; never the content of a document ---
    *_assume_role("operator", "retention", allowed=True),
    *_assume_role("operator", "tenant", allowed=False),
    *_assume_role("operator", "models", allowed=False),
    *_call(
        "operator",
        {MARKER: True, f"{BUCKET_ARN}/tenant-{OWN}/": True, DOCUMENT: False, TRASH: False, RETAINED: False},
        "s3:GetObject", "s3:PutObject", "s3:PutObjectTagging", "s3:GetObjectTagging",
    ),
    *_call("operator", {DOCUMENT: False, TRASH: False}, "s3:GetObjectVersion"),
    *_call(
        "operator",
        {DOCUMENT: True, TRASH: True, MARKER: True, RETAINED: True, RECEIPT: False, f"{BUCKET_ARN}/x": False},
        "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload",
    ),
    *_call("operator", {RECEIPT: True, OTHER_RECEIPT: False}, "s3:GetObject", "s3:PutObject"),
    *_call("operator", {BUCKET_ARN: True, FILES_ARN: False}, *LISTS),
    _list("operator", BUCKET_ARN, f"tenant-{OWN}/", allowed=True, action="s3:ListBucketVersions"),
    _list("operator", BUCKET_ARN, f"retained/tenant-{OWN}/", allowed=True, action="s3:ListBucketVersions"),
    _list("operator", BUCKET_ARN, "receipts/", allowed=False, action="s3:ListBucketVersions"),
    _list("operator", BUCKET_ARN, "", allowed=False, action="s3:ListBucketVersions"),
    _list("operator", FILES_ARN, f"tenant-{OWN}/", allowed=False, action="s3:ListBucketVersions"),
    *_call("operator", {MARKER: False}, "s3:PutObjectAcl", "s3:BypassGovernanceRetention"),
    *_call("operator", {FILE: False}, "s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
    *_call("operator", {BUCKET_ARN: False}, "s3:PutBucketPolicy", "s3:DeleteBucket"),
    # --- retention: moves documents of an earlier Tenant; deletes no original ---
    *_call("retention", {DOCUMENT: True, RETAINED: True, FILE: False}, "s3:GetObject", "s3:GetObjectVersion"),
    *_call("retention", {RETAINED: True, DOCUMENT: False, RECEIPT: False}, "s3:PutObject", "s3:DeleteObject"),
    *_call("retention", {RETAINED: False}, "s3:DeleteObjectVersion"),
    *_call("retention", {RECEIPT: False}, "s3:GetObject"),
    *_call("retention", {BUCKET_ARN: False}, "s3:ListBucket"),
    # --- Open WebUI: its own files, and no other ---
    *_call(
        "open-webui",
        {FILE: True, DOCUMENT: False, RETAINED: False},
        "s3:GetObject", "s3:PutObject", "s3:PutObjectTagging", "s3:DeleteObject", "s3:AbortMultipartUpload",
    ),
    *_call("open-webui", {FILES_ARN: True, BUCKET_ARN: False}, "s3:ListBucket"),
    *_call("open-webui", {FILES_ARN: False}, "s3:PutBucketPolicy", "s3:DeleteBucket"),
    *_call("open-webui", {FILE: False}, "s3:DeleteObjectVersion", "s3:PutObjectAcl"),
    *_call("open-webui", {MODEL: False}, "bedrock:InvokeModel"),
    *_assume_role("open-webui", "tenant", allowed=False),
    *_assume_role("open-webui", "models", allowed=False),
    # --- snapshots of Qdrant: their prefix, and the names of documents ---
    *_call(
        "qdrant-snapshots",
        {SNAPSHOT: True, DOCUMENT: False, RECEIPT: False, FILE: False},
        "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload",
    ),
    *_call("qdrant-snapshots", {SNAPSHOT: False}, "s3:DeleteObjectVersion", "s3:PutObjectAcl"),
    *_call("qdrant-snapshots", {BUCKET_ARN: True, FILES_ARN: False}, "s3:ListBucketMultipartUploads"),
    *_call("qdrant-snapshots", {BUCKET_ARN: False}, "s3:PutBucketPolicy", "s3:ListBucketVersions"),
    _list("qdrant-snapshots", BUCKET_ARN, "snapshots/tenantry/", allowed=True),
    _list("qdrant-snapshots", BUCKET_ARN, f"tenant-{OWN}/", allowed=True),
    _list("qdrant-snapshots", BUCKET_ARN, "receipts/", allowed=False),
    _list("qdrant-snapshots", FILES_ARN, "snapshots/", allowed=False),
    *_assume_role("qdrant-snapshots", "tenant", allowed=False),
    # --- Pod Identity: only pods of one ServiceAccount, namespace, cluster and account ---
    *(
        PolicyCase(POD_IDENTITY, action, GATEWAY_ROLE, allowed, trust="pod-trust", context=context)
        for action in ("sts:AssumeRole", "sts:TagSession")
        for allowed, context in (
            (True, POD_TAGS),
            *((False, {**POD_TAGS, key: f"other-{value}"}) for key, value in POD_TAGS.items()),
        )
    ),
    *(
        PolicyCase(role, action, GATEWAY_ROLE, allowed=False, trust="pod-trust", context=POD_TAGS)
        for role, action in ((POD_IDENTITY, "sts:SetSourceIdentity"), ("too-wide", "sts:AssumeRole"))
    ),
]  # fmt: skip

BOUNDARY_CASES = [
    # It limits a policy that is too wide.
    *_call("too-wide", {DOCUMENT: True, FILE: True, OTHER_OBJECT: False}, "s3:GetObject", "s3:PutObject"),
    *_call("too-wide", {BUCKET_ARN: False, FILES_ARN: False}, "s3:PutBucketPolicy", "s3:DeleteBucket"),
    *_call("too-wide", {OTHER_BUCKET: False}, *LISTS),
    *_call("too-wide", {GUARDRAIL: False}, "bedrock:DeleteGuardrail"),
    *_call("too-wide", {GATEWAY_ROLE: False}, "iam:PutRolePolicy", "iam:DeleteRolePermissionsBoundary"),
    PolicyCase("too-wide", "sts:SetSourceIdentity", _to_arn("x"), allowed=False, trust="open-trust"),
    PolicyCase("too-wide", "sts:AssumeRole", _to_arn("x"), allowed=True, trust="open-trust"),
    PolicyCase("too-wide", "sts:AssumeRole", OTHER_ROLE, allowed=False, trust="open-trust"),
]  # fmt: skip

CASES = [
    *ROLE_CASES,
    # The boundary blocks nothing that a role needs.
    *(replace(case, bounded=True) for case in ROLE_CASES if case.allowed and case.role != POD_IDENTITY),
    *(replace(case, bounded=True) for case in BOUNDARY_CASES),
]
"""Requests of the roles, and the same behind the permission boundary."""
