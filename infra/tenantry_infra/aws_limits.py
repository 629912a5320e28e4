"""Limits of AWS' services that are known without a call: regions, names, types and periods."""

import difflib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Literal

import botocore
from botocore.session import Session

__all__ = [
    "LogDays",
    "check_instance_types",
    "check_region",
    "find_bucket_fault",
    "find_class_fault",
    "find_prefix_list_fault",
    "format_suggestion",
]

PARTITION = "aws"
"""Partition of AWS. The ARNs in the templates and policies begin with it."""

LogDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]  # fmt: skip
"""Days for which CloudWatch can keep logs."""

RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-an")
"""Beginnings and ends of names that S3 reserves."""

ARM = re.compile(r"a1\.|[a-z]+\d+g|p6e-gb200")
"""Pattern of the EC2 families with arm64 processors: a letter g after the generation."""

OTHER_FAMILIES = frozenset({"x2g"})
"""Families of RDS that EC2 does not have under the same name."""

CLOUDFRONT_PREFIX_LISTS = {
    "pl-3b927c52": "us-east-1",
    "pl-b6a144df": "us-east-2",
    "pl-4ea04527": "us-west-1",
    "pl-82a045eb": "us-west-2",
    "pl-38a64351": "ca-central-1",
    "pl-58a04531": "ap-northeast-1",
    "pl-22a6434b": "ap-northeast-2",
    "pl-9aa247f3": "ap-south-1",
    "pl-31a34658": "ap-southeast-1",
    "pl-b8a742d1": "ap-southeast-2",
    "pl-a3a144ca": "eu-central-1",
    "pl-4fa04526": "eu-west-1",
    "pl-93a247fa": "eu-west-2",
    "pl-5da64334": "sa-east-1",
}
"""Regions of CloudFront's prefix lists. AWS publishes no such table, so a list can be missing."""

KNOWN_TO = f"known to botocore {botocore.__version__}"


@cache
def _list_regions() -> Mapping[str, str]:
    """Return the partition of each region."""
    session = Session()
    return {
        region: partition
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("ec2", partition)
    }


@cache
def _list_instance_types() -> frozenset[str]:
    shape = Session().get_service_model("ec2").shape_for("InstanceType")
    return frozenset(shape.enum)  # type: ignore[attr-defined]


def check_region(value: str) -> str:
    """Return a region.

    Raises
    ------
    ValueError
        There is no such region, or it belongs to another partition.
    """
    regions = _list_regions()
    if value not in regions:
        raise ValueError(f"{value!r} is no region that is {KNOWN_TO}{format_suggestion(value, regions)}")
    if regions[value] != PARTITION:
        raise ValueError(
            f"{value} belongs to the partition {regions[value]}, but the templates only fit the partition "
            f"{PARTITION}"
        )
    return value


def check_instance_types(values: list[str]) -> list[str]:
    """Return the instance types of a group of nodes.

    Raises
    ------
    ValueError
        EC2 does not have a type, or the types have different processors.
    """
    known = _list_instance_types()
    for value in values:
        if value not in known:
            raise ValueError(
                f"{value!r} is no instance type that is {KNOWN_TO}{format_suggestion(value, known)}"
            )
    arm = [value for value in values if ARM.match(value)]
    if arm and len(arm) < len(values):
        others = sorted(set(values) - set(arm))
        raise ValueError(
            f"{', '.join(arm)} have arm64 processors, but {', '.join(others)} have x86 processors. "
            "A group of nodes has one image, so use one kind"
        )
    return values


def find_bucket_fault(value: str) -> str | None:
    """Return the rule of S3 that a bucket's name breaks, as the rest of a sentence; None for none."""
    for prefix in RESERVED_PREFIXES:
        if value.startswith(prefix):
            return f"must not begin with {prefix}, which S3 reserves"
    for suffix in RESERVED_SUFFIXES:
        if value.endswith(suffix):
            return f"must not end with {suffix}, which S3 reserves"
    if ".." in value:
        return "must not contain two adjacent dots"
    return "must not be an IP address" if _is_address(value) else None


def find_class_fault(value: str) -> str | None:
    """Return the fault of a class of RDS or ElastiCache, as the rest of a sentence; None for none.

    botocore has no list of them. EC2 has instances of the same families and sizes.
    """
    _, family, size = value.split(".")
    types = [each.split(".") for each in _list_instance_types()]
    families, sizes = ({each[position] for each in types} for position in (0, 1))
    if family not in families | OTHER_FAMILIES:
        return f"has no family that is {KNOWN_TO}{format_suggestion(family, families)}"
    return None if size in sizes else f"has no size that is {KNOWN_TO}{format_suggestion(size, sizes)}"


def find_prefix_list_fault(value: str, region: str) -> str | None:
    """Return a sentence if a prefix list is known to belong to another region than an environment."""
    owner = CLOUDFRONT_PREFIX_LISTS.get(value, region)
    if owner == region:
        return None
    return (
        f"{value} is CloudFront's prefix list in {owner}, but region is {region}. Set the id of the list "
        f"com.amazonaws.global.cloudfront.origin-facing in {region}"
    )


def format_suggestion(value: str, known: Iterable[str]) -> str:
    """Return a sentence with the most similar known value; nothing if none is similar."""
    similar = difflib.get_close_matches(value, known, n=1)
    return f". Did you mean {similar[0]}?" if similar else ""


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True
