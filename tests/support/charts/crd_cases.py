"""Tenants that the API server accepts, and Tenants that it refuses, each for one reason.

``tests/integration/crd`` applies them. It also removes each rule from the resource and expects that the API
server then accepts a Tenant of :data:`REFUSED_CASES`. A new rule without a Tenant here fails that test.
"""

from dataclasses import dataclass, field
from typing import Any

__all__ = ["ACCEPTED_CASES", "LONGEST_NAME", "REFUSED_CASES", "AcceptedCase", "RefusedCase"]

LONGEST_NAME = "t" * 40

GUARDRAIL_ARN = "arn:aws:bedrock:us-east-1:123456789012:guardrail/gr7x2m9qk1ab"
PROFILE_ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-6"


@dataclass(frozen=True)
class AcceptedCase:
    """A Tenant that is accepted."""

    description: str
    spec: dict[str, Any] = field(default_factory=dict)
    name: str = "crd-case"


@dataclass(frozen=True)
class RefusedCase:
    """A Tenant that is refused, with the field and the message of the error."""

    description: str
    path: str
    message: str
    spec: dict[str, Any]
    name: str = "crd-case"


def _make_emails(*patterns: Any) -> dict[str, Any]:
    return {"identity": {"emails": list(patterns)}}


def _make_admins(*patterns: Any) -> dict[str, Any]:
    return {"identity": {"admins": list(patterns)}}


def _make_personas(*ids: Any, **rest: Any) -> dict[str, Any]:
    return {"personas": [{"id": id_, **rest} for id_ in ids]}


def _make_quota(**quota: Any) -> dict[str, Any]:
    return {"quota": quota}


def _make_compute(**compute: Any) -> dict[str, Any]:
    return {"quota": {"compute": {name.replace("_", "."): value for name, value in compute.items()}}}


def _make_model(**model: Any) -> dict[str, Any]:
    return {"model": model}


def _make_guardrail(**guardrail: Any) -> dict[str, Any]:
    return {"model": {"guardrail": guardrail}}


def _make_retrieval(**retrieval: Any) -> dict[str, Any]:
    return {"retrieval": retrieval}


def _make_addresses(count: int) -> list[str]:
    return [f"person{number}@tenantx.example" for number in range(count)]


ACCEPTED_CASES = (
    AcceptedCase("an empty spec is a whole tenant"),
    AcceptedCase("a name of one letter", name="t"),
    AcceptedCase("a name of 40 characters", name=LONGEST_NAME),
    AcceptedCase("a name with digits and dashes", name="0-tenant-1"),
    AcceptedCase("a class of 40 characters", {"tenantClass": "c" * 40}),
    AcceptedCase(
        "a dedicated, suspended tenant", {"tier": "dedicated", "suspended": True, "deletionPolicy": "Delete"}
    ),
    AcceptedCase("a plain address", _make_emails("diana@tenantb.example")),
    AcceptedCase("everybody of a domain", _make_emails("*@tenantb.example")),
    AcceptedCase("everybody of a domain's sub-domains", _make_emails("*@*.tenantb.example")),
    AcceptedCase("some people of a public provider", _make_emails("*.tenantb@gmail.com")),
    AcceptedCase(
        "every character that an address may have",
        _make_emails("o'brien+a.b_c-d{e}|f~g`h^i?j=k/l&m%n$o#p!q@x.y"),
    ),
    AcceptedCase("a domain in punycode", _make_emails("*@xn--strae-oqa.example")),
    AcceptedCase("the longest pattern", _make_emails(f"{'a' * 238}@tenantb.example")),
    AcceptedCase(
        "an administrator who is in emails, too", {"identity": {"emails": ["a@b.c"], "admins": ["a@b.c"]}}
    ),
    AcceptedCase(
        "64 addresses and 64 administrators",
        {"identity": {"emails": _make_addresses(64), "admins": _make_addresses(64)}},
    ),
    AcceptedCase("64 personas", _make_personas(*(f"p{number}" for number in range(64)))),
    AcceptedCase("a persona's id of 40 characters", _make_personas("p" * 40)),
    AcceptedCase(
        "the longest instructions", _make_personas("finance", displayName="F" * 80, instructions="i" * 8000)
    ),
    AcceptedCase("an inference profile by ARN", _make_model(chat=PROFILE_ARN)),
    AcceptedCase("a model by id", _make_model(chat="mistral.mistral-large-2407-v1:0")),
    AcceptedCase("a guardrail by id", _make_guardrail(id="gr7x2m9qk1ab", version="12345678")),
    AcceptedCase("a guardrail by ARN, unpublished", _make_guardrail(id=GUARDRAIL_ARN, version="DRAFT")),
    AcceptedCase("no answer is cached", _make_model(cacheAnswers=False)),
    AcceptedCase("no guardrail, with empty fields", _make_guardrail(id="", version="")),
    AcceptedCase("the least retrieval", _make_retrieval(topK=1, scoreThreshold=0, mode="dense")),
    AcceptedCase("the most retrieval", _make_retrieval(topK=50, scoreThreshold=1, mode="hybrid")),
    AcceptedCase(
        "nothing is allowed", _make_quota(documents=0, storage="1", queriesPerMinute=0, tokensPerMonth=0)
    ),
    AcceptedCase(
        "everything is allowed",
        _make_quota(documents=10**8, storage="1Ei", queriesPerMinute=10**6, tokensPerMonth=10**12),
    ),
    AcceptedCase("half a gigabyte", _make_quota(storage="0.5Gi")),
    AcceptedCase("a decimal unit", _make_quota(storage="500M")),
    AcceptedCase("a namespace bound by CPU alone", _make_compute(requests_cpu="250m")),
    AcceptedCase("a namespace bound by memory alone", _make_compute(requests_memory="1Mi")),
    AcceptedCase("a namespace bound by CPU limits alone", _make_compute(limits_cpu="1M")),
    AcceptedCase("a namespace bound by memory limits alone", _make_compute(limits_memory="1Ei")),
    AcceptedCase("a namespace bound by pods alone", _make_compute(pods="0")),
)
"""Tenants that the API server accepts; it fills in omitted fields."""

NO_PATTERN = "must be an e-mail address, or a pattern such as"
WRITE_OUT = "the last two labels of the domain must be written out"
NO_QUANTITY = "must be a quantity such as"
LABEL = "a persona's id must be a DNS label"
NO_CLASS = "must be a DNS label such as default or staging"

REFUSED_CASES = (
    # metadata.name
    RefusedCase("a name with a dot", "metadata.name", "the name must be a DNS label", {}, name="tenant.x"),
    RefusedCase(
        "a name of 41 characters", "metadata.name", "at most 40 characters", {}, name=f"{LONGEST_NAME}t"
    ),
    # top level of the spec
    RefusedCase("a display name of 81 characters", "spec.displayName", "Too long", {"displayName": "T" * 81}),
    RefusedCase(
        "a display name that is a number", "spec.displayName", "must be of type string", {"displayName": 7}
    ),
    RefusedCase("a class with a capital", "spec.tenantClass", NO_CLASS, {"tenantClass": "Staging"}),
    RefusedCase("a class that is empty", "spec.tenantClass", NO_CLASS, {"tenantClass": ""}),
    RefusedCase("a class of 41 characters", "spec.tenantClass", "Too long", {"tenantClass": "c" * 41}),
    RefusedCase(
        "a tier that does not exist", "spec.tier", 'supported values: "pooled", "dedicated"', {"tier": "gold"}
    ),
    RefusedCase("suspended as a word", "spec.suspended", "must be of type boolean", {"suspended": "yes"}),
    RefusedCase(
        "a deletion policy that does not exist",
        "spec.deletionPolicy",
        "supported values",
        {"deletionPolicy": "Keep"},
    ),
    # identity
    RefusedCase("a word for an address", "spec.identity.emails[0]", NO_PATTERN, _make_emails("diana")),
    RefusedCase(
        "an address without a local part",
        "spec.identity.emails[0]",
        NO_PATTERN,
        _make_emails("@tenantb.example"),
    ),
    RefusedCase("an address without a domain", "spec.identity.emails[0]", NO_PATTERN, _make_emails("diana@")),
    RefusedCase(
        "an address with two @", "spec.identity.emails[0]", NO_PATTERN, _make_emails("a@b@tenantb.example")
    ),
    RefusedCase(
        "an address with a space",
        "spec.identity.emails[0]",
        NO_PATTERN,
        _make_emails("di ana@tenantb.example"),
    ),
    RefusedCase(
        "an address with a line break",
        "spec.identity.emails[0]",
        NO_PATTERN,
        _make_emails("diana@tenantb.example\n"),
    ),
    RefusedCase("a domain without a dot", "spec.identity.emails[0]", NO_PATTERN, _make_emails("*@localhost")),
    RefusedCase(
        "a domain with an empty label",
        "spec.identity.emails[0]",
        NO_PATTERN,
        _make_emails("*@tenantb..example"),
    ),
    RefusedCase(
        "a domain that is not ASCII", "spec.identity.emails[0]", NO_PATTERN, _make_emails("*@straße.example")
    ),
    RefusedCase("everybody there is", "spec.identity.emails[0]", WRITE_OUT, _make_emails("*@*.*")),
    RefusedCase(
        "everybody of a top-level domain",
        "spec.identity.emails[1]",
        WRITE_OUT,
        _make_emails("a@b.c", "*@*.example"),
    ),
    RefusedCase(
        "a wildcard at the end of a domain", "spec.identity.emails[0]", WRITE_OUT, _make_emails("*@tenantb.*")
    ),
    RefusedCase(
        "a wildcard within a domain's label",
        "spec.identity.emails[0]",
        WRITE_OUT,
        _make_emails("*@*tenantb.example"),
    ),
    RefusedCase(
        "an address of 255 characters",
        "spec.identity.emails[0]",
        "Too long",
        _make_emails(f"{'a' * 251}@b.c"),
    ),
    RefusedCase(
        "an address twice", "spec.identity.emails[1]", "Duplicate value", _make_emails("a@b.c", "a@b.c")
    ),
    RefusedCase("65 addresses", "spec.identity.emails", "Too many", _make_emails(*_make_addresses(65))),
    RefusedCase(
        "an administrator who is no address", "spec.identity.admins[0]", NO_PATTERN, _make_admins("diana")
    ),
    RefusedCase("everybody an administrator", "spec.identity.admins[0]", WRITE_OUT, _make_admins("*@*.com")),
    RefusedCase(
        "an administrator of 255 characters",
        "spec.identity.admins[0]",
        "Too long",
        _make_admins(f"{'a' * 251}@b.c"),
    ),
    RefusedCase(
        "an administrator twice", "spec.identity.admins[1]", "Duplicate value", _make_admins("a@b.c", "a@b.c")
    ),
    RefusedCase("65 administrators", "spec.identity.admins", "Too many", _make_admins(*_make_addresses(65))),
    # personas
    RefusedCase(
        "a persona without an id",
        "spec.personas[0].id",
        "Required value",
        {"personas": [{"displayName": "F"}]},
    ),
    RefusedCase("a persona's id with a capital", "spec.personas[0].id", LABEL, _make_personas("Finance")),
    RefusedCase(
        "a persona's id with a slash", "spec.personas[1].id", LABEL, _make_personas("finance", "a/b")
    ),
    RefusedCase("a persona's id that is empty", "spec.personas[0].id", LABEL, _make_personas("")),
    RefusedCase(
        "a persona's id that ends with a dash", "spec.personas[0].id", LABEL, _make_personas("finance-")
    ),
    RefusedCase(
        "a persona's id of 41 characters", "spec.personas[0].id", "Too long", _make_personas("p" * 41)
    ),
    RefusedCase(
        "a persona twice", "spec.personas[1]", "Duplicate value", _make_personas("finance", "finance")
    ),
    RefusedCase(
        "65 personas", "spec.personas", "Too many", _make_personas(*(f"p{number}" for number in range(65)))
    ),
    RefusedCase(
        "a persona's display name of 81 characters",
        "spec.personas[0].displayName",
        "Too long",
        _make_personas("finance", displayName="F" * 81),
    ),
    RefusedCase(
        "instructions of 8001 characters",
        "spec.personas[0].instructions",
        "Too long",
        _make_personas("finance", instructions="i" * 8001),
    ),
    # model
    RefusedCase(
        "a model's name instead of its id",
        "spec.model.chat",
        "must be a Bedrock model id",
        _make_model(chat="Claude Sonnet"),
    ),
    RefusedCase(
        "a model's id of 2049 characters", "spec.model.chat", "Too long", _make_model(chat="m" * 2049)
    ),
    RefusedCase(
        "a guardrail without a version",
        "spec.model.guardrail",
        "both its id and its version",
        _make_guardrail(id="gr1"),
    ),
    RefusedCase(
        "a guardrail without an id",
        "spec.model.guardrail",
        "both its id and its version",
        _make_guardrail(version="1"),
    ),
    RefusedCase(
        "a guardrail's name instead of its id",
        "spec.model.guardrail.id",
        "must be a guardrail's id",
        _make_guardrail(id="No insults", version="1"),
    ),
    RefusedCase(
        "a guardrail's id of 2049 characters",
        "spec.model.guardrail.id",
        "Too long",
        _make_guardrail(id="g" * 2049, version="1"),
    ),
    RefusedCase(
        "a guardrail's version that is a word",
        "spec.model.guardrail.version",
        "a number from 1 on, or DRAFT",
        _make_guardrail(id="gr1", version="latest"),
    ),
    RefusedCase(
        "a guardrail's version of nine digits",
        "spec.model.guardrail.version",
        "Too long",
        _make_guardrail(id="gr1", version="123456789"),
    ),
    RefusedCase(
        "caching as a word",
        "spec.model.cacheAnswers",
        "must be of type boolean",
        _make_model(cacheAnswers="off"),
    ),
    # retrieval
    RefusedCase("no passages", "spec.retrieval.topK", "greater than or equal to 1", _make_retrieval(topK=0)),
    RefusedCase("51 passages", "spec.retrieval.topK", "less than or equal to 50", _make_retrieval(topK=51)),
    RefusedCase(
        "a threshold below 0",
        "spec.retrieval.scoreThreshold",
        "greater than or equal to 0",
        _make_retrieval(scoreThreshold=-0.1),
    ),
    RefusedCase(
        "a threshold above 1",
        "spec.retrieval.scoreThreshold",
        "less than or equal to 1",
        _make_retrieval(scoreThreshold=1.01),
    ),
    RefusedCase(
        "a mode that does not exist",
        "spec.retrieval.mode",
        "supported values",
        _make_retrieval(mode="sparse"),
    ),
    # quota
    RefusedCase(
        "fewer than no documents",
        "spec.quota.documents",
        "greater than or equal to 0",
        _make_quota(documents=-1),
    ),
    RefusedCase(
        "too many documents",
        "spec.quota.documents",
        "less than or equal to 100000000",
        _make_quota(documents=10**8 + 1),
    ),
    RefusedCase(
        "a storage unit that does not exist", "spec.quota.storage", NO_QUANTITY, _make_quota(storage="50GB")
    ),
    RefusedCase("a fourth decimal", "spec.quota.storage", NO_QUANTITY, _make_quota(storage="1.0001Gi")),
    RefusedCase("less than no storage", "spec.quota.storage", NO_QUANTITY, _make_quota(storage="-5Gi")),
    RefusedCase("no storage", "spec.quota.storage", "at least 1 and at most 1Ei", _make_quota(storage="0")),
    RefusedCase(
        "half a byte", "spec.quota.storage", "at least 1 and at most 1Ei", _make_quota(storage="500m")
    ),
    RefusedCase(
        "too much storage", "spec.quota.storage", "at least 1 and at most 1Ei", _make_quota(storage="1.1Ei")
    ),
    RefusedCase(
        "storage without quotes or unit",
        "spec.quota.storage",
        "must be of type string",
        _make_quota(storage=50),
    ),
    RefusedCase(
        "storage of 21 digits", "spec.quota.storage", "Too long", _make_quota(storage=f"{'0' * 18}1Gi")
    ),
    RefusedCase(
        "fewer than no queries",
        "spec.quota.queriesPerMinute",
        "greater than or equal to 0",
        _make_quota(queriesPerMinute=-1),
    ),
    RefusedCase(
        "too many queries",
        "spec.quota.queriesPerMinute",
        "less than or equal to 1000000",
        _make_quota(queriesPerMinute=10**6 + 1),
    ),
    RefusedCase(
        "fewer than no tokens",
        "spec.quota.tokensPerMonth",
        "greater than or equal to 0",
        _make_quota(tokensPerMonth=-1),
    ),
    RefusedCase(
        "too many tokens",
        "spec.quota.tokensPerMonth",
        "less than or equal to 1000000000000",
        _make_quota(tokensPerMonth=10**12 + 1),
    ),
    # quota.compute
    RefusedCase(
        "a namespace without bounds",
        "spec.quota.compute",
        "a namespace needs at least one limit",
        _make_compute(),
    ),
    RefusedCase(
        "a fraction of a pod", "spec.quota.compute.pods", "must be a whole number", _make_compute(pods="1.5")
    ),
    RefusedCase("ten million pods", "spec.quota.compute.pods", "Too long", _make_compute(pods="10000000")),
    *(
        case
        for side in ("requests", "limits")
        for case in (
            RefusedCase(
                f"{side}.cpu with an exponent",
                f"spec.quota.compute.{side}.cpu",
                NO_QUANTITY,
                _make_compute(**{f"{side}_cpu": "4e3"}),
            ),
            RefusedCase(
                f"{side}.cpu in bytes",
                f"spec.quota.compute.{side}.cpu",
                "CPU is counted in cores",
                _make_compute(**{f"{side}_cpu": "4Gi"}),
            ),
            RefusedCase(
                f"{side}.cpu of 21 digits",
                f"spec.quota.compute.{side}.cpu",
                "Too long",
                _make_compute(**{f"{side}_cpu": f"{'0' * 20}1"}),
            ),
            RefusedCase(
                f"{side}.memory in words",
                f"spec.quota.compute.{side}.memory",
                NO_QUANTITY,
                _make_compute(**{f"{side}_memory": "8 Gi"}),
            ),
            RefusedCase(
                f"{side}.memory without its unit",
                f"spec.quota.compute.{side}.memory",
                "write the unit",
                _make_compute(**{f"{side}_memory": "8"}),
            ),
            RefusedCase(
                f"{side}.memory without end",
                f"spec.quota.compute.{side}.memory",
                "at most 1Ei",
                _make_compute(**{f"{side}_memory": "2Ei"}),
            ),
            RefusedCase(
                f"{side}.memory of 21 digits",
                f"spec.quota.compute.{side}.memory",
                "Too long",
                _make_compute(**{f"{side}_memory": f"{'0' * 18}8Gi"}),
            ),
        )
    ),
)
"""Tenants that the API server refuses; the name of a case gives the only reason."""
