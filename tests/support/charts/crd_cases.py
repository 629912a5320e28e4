"""Tenants that the API server accepts, and Tenants that it refuses, each for one reason.

``tests/integration/crd`` applies them. It also removes each rule from the resource and expects that the API
server then accepts a Tenant of :data:`BAD`. A new rule without a Tenant here fails that test.
"""

from dataclasses import dataclass, field
from typing import Any

__all__ = ["BAD", "GOOD", "LONGEST_NAME", "Bad", "Good"]

LONGEST_NAME = "t" * 40

GUARDRAIL_ARN = "arn:aws:bedrock:us-east-1:123456789012:guardrail/gr7x2m9qk1ab"
PROFILE_ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-6"


@dataclass(frozen=True)
class Good:
    """A Tenant that is accepted."""

    why: str
    spec: dict[str, Any] = field(default_factory=dict)
    name: str = "crd-case"


@dataclass(frozen=True)
class Bad:
    """A Tenant that is refused, with the field and the message of the error."""

    why: str
    path: str
    says: str
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


GOOD = (
    Good("an empty spec is a whole tenant"),
    Good("a name of one letter", name="t"),
    Good("a name of 40 characters", name=LONGEST_NAME),
    Good("a name with digits and dashes", name="0-tenant-1"),
    Good(
        "a dedicated, suspended tenant", {"tier": "dedicated", "suspended": True, "deletionPolicy": "Delete"}
    ),
    Good("a plain address", _make_emails("diana@tenantb.example")),
    Good("everybody of a domain", _make_emails("*@tenantb.example")),
    Good("everybody of a domain's sub-domains", _make_emails("*@*.tenantb.example")),
    Good("some people of a public provider", _make_emails("*.tenantb@gmail.com")),
    Good(
        "every character that an address may have",
        _make_emails("o'brien+a.b_c-d{e}|f~g`h^i?j=k/l&m%n$o#p!q@x.y"),
    ),
    Good("a domain in punycode", _make_emails("*@xn--strae-oqa.example")),
    Good("the longest pattern", _make_emails(f"{'a' * 238}@tenantb.example")),
    Good("an administrator who is in emails, too", {"identity": {"emails": ["a@b.c"], "admins": ["a@b.c"]}}),
    Good(
        "64 addresses and 64 administrators",
        {"identity": {"emails": _make_addresses(64), "admins": _make_addresses(64)}},
    ),
    Good("64 personas", _make_personas(*(f"p{number}" for number in range(64)))),
    Good("a persona's id of 40 characters", _make_personas("p" * 40)),
    Good(
        "the longest instructions", _make_personas("finance", displayName="F" * 80, instructions="i" * 8000)
    ),
    Good("an inference profile by ARN", _make_model(chat=PROFILE_ARN)),
    Good("a model by id", _make_model(chat="mistral.mistral-large-2407-v1:0")),
    Good("a guardrail by id", _make_guardrail(id="gr7x2m9qk1ab", version="12345678")),
    Good("a guardrail by ARN, unpublished", _make_guardrail(id=GUARDRAIL_ARN, version="DRAFT")),
    Good("no answer is cached", _make_model(cacheAnswers=False)),
    Good("no guardrail, with empty fields", _make_guardrail(id="", version="")),
    Good("the least retrieval", _make_retrieval(topK=1, scoreThreshold=0, mode="dense")),
    Good("the most retrieval", _make_retrieval(topK=50, scoreThreshold=1, mode="hybrid")),
    Good("nothing is allowed", _make_quota(documents=0, storage="1", queriesPerMinute=0, tokensPerMonth=0)),
    Good(
        "everything is allowed",
        _make_quota(documents=10**8, storage="1Ei", queriesPerMinute=10**6, tokensPerMonth=10**12),
    ),
    Good("half a gigabyte", _make_quota(storage="0.5Gi")),
    Good("a decimal unit", _make_quota(storage="500M")),
    Good("a namespace bound by CPU alone", _make_compute(requests_cpu="250m")),
    Good("a namespace bound by memory alone", _make_compute(requests_memory="1Mi")),
    Good("a namespace bound by CPU limits alone", _make_compute(limits_cpu="1M")),
    Good("a namespace bound by memory limits alone", _make_compute(limits_memory="1Ei")),
    Good("a namespace bound by pods alone", _make_compute(pods="0")),
)
"""Accepted; what each leaves out is filled in."""

NO_PATTERN = "this is no e-mail pattern"
WRITE_OUT = "the last two labels of the domain must be written out"
NO_QUANTITY = "this is no quantity"
LABEL = "a persona's id is a DNS label"

BAD = (
    # metadata.name
    Bad("a name with a dot", "metadata.name", "the name is the tenant id", {}, name="tenant.x"),
    Bad("a name of 41 characters", "metadata.name", "at most 40 characters", {}, name=f"{LONGEST_NAME}t"),
    # top level of the spec
    Bad("a display name of 81 characters", "spec.displayName", "Too long", {"displayName": "T" * 81}),
    Bad("a display name that is a number", "spec.displayName", "must be of type string", {"displayName": 7}),
    Bad(
        "a tier that does not exist", "spec.tier", 'supported values: "pooled", "dedicated"', {"tier": "gold"}
    ),
    Bad("suspended as a word", "spec.suspended", "must be of type boolean", {"suspended": "yes"}),
    Bad(
        "a deletion policy that does not exist",
        "spec.deletionPolicy",
        "supported values",
        {"deletionPolicy": "Keep"},
    ),
    # identity
    Bad("a word for an address", "spec.identity.emails[0]", NO_PATTERN, _make_emails("diana")),
    Bad(
        "an address without a local part",
        "spec.identity.emails[0]",
        NO_PATTERN,
        _make_emails("@tenantb.example"),
    ),
    Bad("an address without a domain", "spec.identity.emails[0]", NO_PATTERN, _make_emails("diana@")),
    Bad("an address with two @", "spec.identity.emails[0]", NO_PATTERN, _make_emails("a@b@tenantb.example")),
    Bad(
        "an address with a space",
        "spec.identity.emails[0]",
        NO_PATTERN,
        _make_emails("di ana@tenantb.example"),
    ),
    Bad(
        "an address with a line break",
        "spec.identity.emails[0]",
        NO_PATTERN,
        _make_emails("diana@tenantb.example\n"),
    ),
    Bad("a domain without a dot", "spec.identity.emails[0]", NO_PATTERN, _make_emails("*@localhost")),
    Bad(
        "a domain with an empty label",
        "spec.identity.emails[0]",
        NO_PATTERN,
        _make_emails("*@tenantb..example"),
    ),
    Bad(
        "a domain that is not ASCII", "spec.identity.emails[0]", NO_PATTERN, _make_emails("*@straße.example")
    ),
    Bad("everybody there is", "spec.identity.emails[0]", WRITE_OUT, _make_emails("*@*.*")),
    Bad(
        "everybody of a top-level domain",
        "spec.identity.emails[1]",
        WRITE_OUT,
        _make_emails("a@b.c", "*@*.example"),
    ),
    Bad(
        "a wildcard at the end of a domain", "spec.identity.emails[0]", WRITE_OUT, _make_emails("*@tenantb.*")
    ),
    Bad(
        "a wildcard within a domain's label",
        "spec.identity.emails[0]",
        WRITE_OUT,
        _make_emails("*@*tenantb.example"),
    ),
    Bad(
        "an address of 255 characters",
        "spec.identity.emails[0]",
        "Too long",
        _make_emails(f"{'a' * 251}@b.c"),
    ),
    Bad("an address twice", "spec.identity.emails[1]", "Duplicate value", _make_emails("a@b.c", "a@b.c")),
    Bad("65 addresses", "spec.identity.emails", "Too many", _make_emails(*_make_addresses(65))),
    Bad("an administrator who is no address", "spec.identity.admins[0]", NO_PATTERN, _make_admins("diana")),
    Bad("everybody an administrator", "spec.identity.admins[0]", WRITE_OUT, _make_admins("*@*.com")),
    Bad(
        "an administrator of 255 characters",
        "spec.identity.admins[0]",
        "Too long",
        _make_admins(f"{'a' * 251}@b.c"),
    ),
    Bad(
        "an administrator twice", "spec.identity.admins[1]", "Duplicate value", _make_admins("a@b.c", "a@b.c")
    ),
    Bad("65 administrators", "spec.identity.admins", "Too many", _make_admins(*_make_addresses(65))),
    # personas
    Bad(
        "a persona without an id",
        "spec.personas[0].id",
        "Required value",
        {"personas": [{"displayName": "F"}]},
    ),
    Bad("a persona's id with a capital", "spec.personas[0].id", LABEL, _make_personas("Finance")),
    Bad("a persona's id with a slash", "spec.personas[1].id", LABEL, _make_personas("finance", "a/b")),
    Bad("a persona's id that is empty", "spec.personas[0].id", LABEL, _make_personas("")),
    Bad("a persona's id that ends with a dash", "spec.personas[0].id", LABEL, _make_personas("finance-")),
    Bad("a persona's id of 41 characters", "spec.personas[0].id", "Too long", _make_personas("p" * 41)),
    Bad("a persona twice", "spec.personas[1]", "Duplicate value", _make_personas("finance", "finance")),
    Bad("65 personas", "spec.personas", "Too many", _make_personas(*(f"p{number}" for number in range(65)))),
    Bad(
        "a persona's display name of 81 characters",
        "spec.personas[0].displayName",
        "Too long",
        _make_personas("finance", displayName="F" * 81),
    ),
    Bad(
        "instructions of 8001 characters",
        "spec.personas[0].instructions",
        "Too long",
        _make_personas("finance", instructions="i" * 8001),
    ),
    # model
    Bad(
        "a model's name instead of its id",
        "spec.model.chat",
        "no Bedrock model id",
        _make_model(chat="Claude Sonnet"),
    ),
    Bad("a model's id of 2049 characters", "spec.model.chat", "Too long", _make_model(chat="m" * 2049)),
    Bad(
        "a guardrail without a version",
        "spec.model.guardrail",
        "both its id and its version",
        _make_guardrail(id="gr1"),
    ),
    Bad(
        "a guardrail without an id",
        "spec.model.guardrail",
        "both its id and its version",
        _make_guardrail(version="1"),
    ),
    Bad(
        "a guardrail's name instead of its id",
        "spec.model.guardrail.id",
        "no guardrail's id",
        _make_guardrail(id="No insults", version="1"),
    ),
    Bad(
        "a guardrail's id of 2049 characters",
        "spec.model.guardrail.id",
        "Too long",
        _make_guardrail(id="g" * 2049, version="1"),
    ),
    Bad(
        "a guardrail's version that is a word",
        "spec.model.guardrail.version",
        "a number from 1 on, or DRAFT",
        _make_guardrail(id="gr1", version="latest"),
    ),
    Bad(
        "a guardrail's version of nine digits",
        "spec.model.guardrail.version",
        "Too long",
        _make_guardrail(id="gr1", version="123456789"),
    ),
    Bad(
        "caching as a word",
        "spec.model.cacheAnswers",
        "must be of type boolean",
        _make_model(cacheAnswers="off"),
    ),
    # retrieval
    Bad("no passages", "spec.retrieval.topK", "greater than or equal to 1", _make_retrieval(topK=0)),
    Bad("51 passages", "spec.retrieval.topK", "less than or equal to 50", _make_retrieval(topK=51)),
    Bad(
        "a threshold below 0",
        "spec.retrieval.scoreThreshold",
        "greater than or equal to 0",
        _make_retrieval(scoreThreshold=-0.1),
    ),
    Bad(
        "a threshold above 1",
        "spec.retrieval.scoreThreshold",
        "less than or equal to 1",
        _make_retrieval(scoreThreshold=1.01),
    ),
    Bad(
        "a mode that does not exist",
        "spec.retrieval.mode",
        "supported values",
        _make_retrieval(mode="sparse"),
    ),
    # quota
    Bad(
        "fewer than no documents",
        "spec.quota.documents",
        "greater than or equal to 0",
        _make_quota(documents=-1),
    ),
    Bad(
        "too many documents",
        "spec.quota.documents",
        "less than or equal to 100000000",
        _make_quota(documents=10**8 + 1),
    ),
    Bad("a storage unit that does not exist", "spec.quota.storage", NO_QUANTITY, _make_quota(storage="50GB")),
    Bad("a fourth decimal", "spec.quota.storage", NO_QUANTITY, _make_quota(storage="1.0001Gi")),
    Bad("less than no storage", "spec.quota.storage", NO_QUANTITY, _make_quota(storage="-5Gi")),
    Bad("no storage", "spec.quota.storage", "at least 1 and at most 1Ei", _make_quota(storage="0")),
    Bad("half a byte", "spec.quota.storage", "at least 1 and at most 1Ei", _make_quota(storage="500m")),
    Bad("too much storage", "spec.quota.storage", "at least 1 and at most 1Ei", _make_quota(storage="1.1Ei")),
    Bad(
        "storage without quotes or unit",
        "spec.quota.storage",
        "must be of type string",
        _make_quota(storage=50),
    ),
    Bad("storage of 21 digits", "spec.quota.storage", "Too long", _make_quota(storage=f"{'0' * 18}1Gi")),
    Bad(
        "fewer than no queries",
        "spec.quota.queriesPerMinute",
        "greater than or equal to 0",
        _make_quota(queriesPerMinute=-1),
    ),
    Bad(
        "too many queries",
        "spec.quota.queriesPerMinute",
        "less than or equal to 1000000",
        _make_quota(queriesPerMinute=10**6 + 1),
    ),
    Bad(
        "fewer than no tokens",
        "spec.quota.tokensPerMonth",
        "greater than or equal to 0",
        _make_quota(tokensPerMonth=-1),
    ),
    Bad(
        "too many tokens",
        "spec.quota.tokensPerMonth",
        "less than or equal to 1000000000000",
        _make_quota(tokensPerMonth=10**12 + 1),
    ),
    # quota.compute
    Bad(
        "a namespace without bounds",
        "spec.quota.compute",
        "a namespace needs at least one limit",
        _make_compute(),
    ),
    Bad("a fraction of a pod", "spec.quota.compute.pods", "whole numbers", _make_compute(pods="1.5")),
    Bad("ten million pods", "spec.quota.compute.pods", "Too long", _make_compute(pods="10000000")),
    *(
        case
        for side in ("requests", "limits")
        for case in (
            Bad(
                f"{side}.cpu with an exponent",
                f"spec.quota.compute.{side}.cpu",
                NO_QUANTITY,
                _make_compute(**{f"{side}_cpu": "4e3"}),
            ),
            Bad(
                f"{side}.cpu in bytes",
                f"spec.quota.compute.{side}.cpu",
                "CPU is counted in cores",
                _make_compute(**{f"{side}_cpu": "4Gi"}),
            ),
            Bad(
                f"{side}.cpu of 21 digits",
                f"spec.quota.compute.{side}.cpu",
                "Too long",
                _make_compute(**{f"{side}_cpu": f"{'0' * 20}1"}),
            ),
            Bad(
                f"{side}.memory in words",
                f"spec.quota.compute.{side}.memory",
                NO_QUANTITY,
                _make_compute(**{f"{side}_memory": "8 Gi"}),
            ),
            Bad(
                f"{side}.memory without its unit",
                f"spec.quota.compute.{side}.memory",
                "write the unit",
                _make_compute(**{f"{side}_memory": "8"}),
            ),
            Bad(
                f"{side}.memory without end",
                f"spec.quota.compute.{side}.memory",
                "at most 1Ei",
                _make_compute(**{f"{side}_memory": "2Ei"}),
            ),
            Bad(
                f"{side}.memory of 21 digits",
                f"spec.quota.compute.{side}.memory",
                "Too long",
                _make_compute(**{f"{side}_memory": f"{'0' * 18}8Gi"}),
            ),
        )
    ),
)
"""Refused, each for the one reason that its name gives."""
