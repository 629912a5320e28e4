"""Environments: one YAML file each, with the account, the region and the parameters of its stacks."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic.alias_generators import to_camel

from .aws_limits import (
    check_region,
    find_bucket_fault,
    find_class_fault,
    find_prefix_list_fault,
    format_suggestion,
)
from .cluster_settings import ClusterSettings
from .errors import DeploymentError
from .file_model import FileModel
from .network_limits import check_service_network, find_network_faults
from .stacks import INFRA, STACKS, Stack, StackRegion, find_stack
from .usage import ExpectedUsage

__all__ = ["MAX_RELEASE_LENGTH", "Environment", "find_environment"]

GIVEN = frozenset(
    {"Environment", "ClusterName", "Namespace", "Release", "Host", "HostedZoneId", "ReplicaRegion", "Scope"}
)
"""Parameters that every environment derives from its own fields."""


def _to_parameter(value: Any) -> Any:
    """Return a parameter as CloudFormation expects it: text, with commas between the items of a list."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(str(each) for each in value)
    return str(value) if isinstance(value, int | float) else value


STORAGE_PERCENT = 110
"""Least ratio of the largest size of a database's volume to its first size, by the rules of RDS."""

HOST_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
"""Pattern of one part of a host's name."""

LAST_LABEL = "[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
"""Pattern of the last part, which no IP address has."""

NAME_PATTERN = r"^[a-z]([a-z0-9]|-[a-z0-9])*$"
"""Pattern of an environment's name. RDS accepts no hyphen at the end, and no two in a row."""

MAX_NAME_LENGTH = 16

MAX_RELEASE_LENGTH = 35
"""Maximum length of a release's name. The chart shortens the names of ServiceAccounts of longer ones."""

Region = Annotated[str, AfterValidator(check_region)]
ParameterValue = Annotated[str, BeforeValidator(_to_parameter)]


class EdgeSettings(FileModel):
    """Settings of the way from browsers to Open WebUI: CloudFront, AWS WAF, the load balancer and DNS.

    Parameters
    ----------
    host
        Host under which browsers open Open WebUI.
    hosted_zone_id
        Hosted zone in Route 53 that contains the host.
    """

    host: Annotated[str, Field(max_length=57, pattern=rf"^({HOST_LABEL}\.)+{LAST_LABEL}$")]
    hosted_zone_id: Annotated[str, Field(pattern=r"^Z[A-Z0-9]{5,31}$")]


class Environment(FileModel):
    """An environment: one AWS account with its stacks.

    Parameters
    ----------
    name
        Name: the name of the file.
    account
        Number of the AWS account. It is empty in the repository, because it differs for everyone.
    region
        Region of the stacks.
    replica_region
        Region of copies; None for no copies.
    service_cidr
        Addresses of the cluster's Services. EKS cannot change them later.
    namespace
        Namespace of the release in the cluster.
    release
        Name of the release, with which the names of its ServiceAccounts begin.
    edge
        Settings of CloudFront and of the load balancer; None for neither of them.
    cluster
        Settings of the EKS cluster.
    usage
        Expected use, from which `make aws-plan` estimates the cost.
    parameters
        Parameters by stack and name, as in the stacks' templates.
    """

    name: Annotated[str, Field(max_length=MAX_NAME_LENGTH, pattern=NAME_PATTERN)]
    account: Annotated[str, Field(pattern=r"^(\d{12})?$")]
    region: Region
    replica_region: Region | None = None
    service_cidr: Annotated[str, AfterValidator(check_service_network)]
    namespace: Annotated[str, Field(max_length=63, pattern=rf"^{HOST_LABEL}$")] = "tenantry"
    release: Annotated[str, Field(max_length=MAX_RELEASE_LENGTH, pattern=rf"^{HOST_LABEL}$")] = "tenantry"
    edge: EdgeSettings | None = None
    cluster: ClusterSettings
    usage: ExpectedUsage = ExpectedUsage()
    parameters: dict[str, dict[str, ParameterValue]]

    @classmethod
    def load(cls, file: Path) -> Self:
        """Return the environment of a file.

        Raises
        ------
        DeploymentError
            The file is wrong. The message lists all faults.
        """
        try:
            document = yaml.safe_load(file.read_text())
        except (OSError, yaml.YAMLError) as exc:
            raise DeploymentError(f"{file} cannot be read: {exc}") from exc
        if not isinstance(document, dict):
            raise DeploymentError(f"{file} is no environment: it must have the keys account, region, ...")
        if "name" in document:
            raise DeploymentError(f"{file} is wrong: name is the name of the file. Remove it")
        if len(file.stem) > MAX_NAME_LENGTH or not re.fullmatch(NAME_PATTERN, file.stem):
            raise DeploymentError(
                f"The name of the file {file} is the name of its environment. Before .yaml it must have at "
                f"most {MAX_NAME_LENGTH} characters: lower-case letters, digits, single hyphens inside."
            )
        try:
            environment = cls(name=file.stem, **document)
        except ValidationError as exc:
            faults = [
                f"{'.'.join(map(str, error['loc']))}: {error['msg'].removeprefix('Value error, ')}"
                for error in exc.errors()
            ]
        except TypeError as exc:
            faults = [str(exc)]
        else:
            faults = list(environment.find_faults())
            if not faults:
                return environment
        raise DeploymentError("\n  ".join([f"{file} is wrong:", *faults]))

    @property
    def cluster_name(self) -> str:
        """Return the name of the EKS cluster."""
        return f"tenantry-{self.name}"

    @property
    def zones(self) -> list[str]:
        """Return the names of the availability zones; empty for the first two of the account."""
        value = self.parameters.get("network", {}).get("Zones", "")
        return value.split(",") if value else []

    @property
    def stack_prefix(self) -> str:
        """Return the beginning of the names of all stacks in CloudFormation."""
        return f"tenantry-{self.name}-"

    @property
    def stacks(self) -> tuple[Stack, ...]:
        """Return the stacks of this environment, in order."""
        return tuple(
            stack
            for stack in STACKS
            if (not stack.setting or getattr(self, stack.setting))
            and (not stack.optional or stack.name in self.parameters)
        )

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags of all resources, by which costs are reported."""
        return {"application": "tenantry", "environment": self.name}

    def get_region(self, stack: Stack) -> str:
        """Return the region of a stack."""
        if stack.region is StackRegion.REPLICA and self.replica_region:
            return self.replica_region
        return stack.region.value if stack.region is StackRegion.GLOBAL else self.region

    def get_stack_name(self, stack: Stack) -> str:
        """Return the name of a stack in CloudFormation."""
        return f"{self.stack_prefix}{stack.name}"

    def get_parameters(self, stack: Stack) -> dict[str, str]:
        """Return the parameters of a stack that do not depend on other stacks."""
        given = {
            "Environment": self.name,
            "ClusterName": self.cluster_name,
            "Namespace": self.namespace,
            "Release": self.release,
            "Host": self.edge.host if self.edge else "",
            "HostedZoneId": self.edge.hosted_zone_id if self.edge else "",
            "ReplicaRegion": self.replica_region or "",
            "Scope": "CLOUDFRONT" if stack.region is StackRegion.GLOBAL else "REGIONAL",
        }
        derived = {name: value for name, value in given.items() if name in stack.template.parameters}
        return derived | self.parameters.get(stack.name, {})

    def find_faults(self) -> Iterator[str]:
        """Yield what is wrong with the parameters, each with its path."""
        by_name = {stack.name: stack for stack in STACKS}
        for name in self.parameters:
            if name not in by_name:
                yield f"parameters.{name}: there is no stack {name}{format_suggestion(name, by_name)}"
            elif (field := by_name[name].setting) and not getattr(self, field):
                yield (
                    f"parameters.{name}: has no effect, because {to_camel(field)} is not set. "
                    "Set it, or remove the parameters"
                )
        for stack in self.stacks:
            yield from self._find_faults_of_stack(stack)
        # Two stacks may name one bucket by one parameter.
        named = {
            (key, value)
            for values in self.parameters.values()
            for key, value in values.items()
            if "Bucket" in key
        }
        buckets = [value for _, value in named]
        yield from (
            f"parameters: {bucket} is the name of two buckets"
            for bucket in sorted(set(buckets))
            if buckets.count(bucket) > 1
        )
        yield from self._find_faults_of_services()
        if self.edge and not self.parameters.get("network", {}).get("LoadBalancerPrefixList"):
            yield (
                "parameters.network.LoadBalancerPrefixList: is missing, but edge is set, and only "
                "CloudFront may reach its load balancer. Set the id of the prefix list "
                f"com.amazonaws.global.cloudfront.origin-facing in {self.region}"
            )
        if self.replica_region == self.region:
            yield f"replicaRegion: must differ from region, which is {self.region}"

    def _find_faults_of_stack(self, stack: Stack) -> Iterator[str]:
        parameters = stack.template.parameters
        values = self.parameters.get(stack.name, {})
        for name, value in values.items():
            path = f"parameters.{stack.name}.{name}"
            if name in GIVEN:
                yield f"{path}: is derived from the other fields. Remove it"
            elif name not in parameters:
                suggestion = format_suggestion(name, parameters)
                yield f"{path}: {stack.template_file.name} has no such parameter{suggestion}"
            elif fault := parameters[name].find_fault(value) or self._find_fault_of_bucket(name, value):
                yield f"{path}: {fault}, not {value!r}"
        outputs = {
            output for other in self.stacks if other.name in stack.needs for output in other.template.outputs
        }
        for name, parameter in parameters.items():
            if parameter.default is None and name not in values.keys() | GIVEN | outputs:
                yield f"parameters.{stack.name}.{name}: is missing. {parameter.definition['Description']}"

    @staticmethod
    def _find_fault_of_bucket(name: str, value: str) -> str | None:
        return find_bucket_fault(value) if name.endswith("Bucket") else None

    def _find_faults_of_services(self) -> Iterator[str]:
        """Yield what one stack's parameters cannot show: limits of AWS, and parameters that must agree."""
        network = self._list_values("network")
        yield from find_network_faults(network, self.service_cidr)
        if fault := find_prefix_list_fault(network["LoadBalancerPrefixList"], self.region):
            yield f"parameters.network.LoadBalancerPrefixList: {fault}"
        yield from self._find_faults_of_zones()
        yield from self._find_faults_of_data()
        if {"deployer", "pipeline"} <= self.parameters.keys():
            deployer, pipeline = (self.parameters[name] for name in ("deployer", "pipeline"))
            if deployer.get("PipelineBucket") != pipeline.get("PipelineBucket"):
                yield (
                    "parameters.deployer.PipelineBucket: must be the bucket of the pipeline, "
                    f"{pipeline.get('PipelineBucket')!r}, not {deployer.get('PipelineBucket')!r}"
                )

    def _find_faults_of_zones(self) -> Iterator[str]:
        path = "parameters.network.Zones"
        for zone in self.zones:
            if not re.fullmatch(rf"{self.region}[a-z]", zone):
                yield f"{path}: {zone} is no name of a zone in {self.region}, such as {self.region}a"
        if len(set(self.zones)) < len(self.zones):
            yield f"{path}: must be two different zones"

    def _find_faults_of_data(self) -> Iterator[str]:
        stack = find_stack("data")
        values = {
            name: value
            for name, value in self._list_values("data").items()
            if name in stack.template.parameters and not stack.template.parameters[name].find_fault(value)
        }
        if {"DatabaseStorage", "MaxDatabaseStorage"} <= values.keys():
            first, largest = (float(values[name]) for name in ("DatabaseStorage", "MaxDatabaseStorage"))
            if largest < (least := math.ceil(first * STORAGE_PERCENT / 100)):
                yield (
                    f"parameters.data.MaxDatabaseStorage: must be at least {least}, 10 % more than "
                    f"DatabaseStorage, not {largest:.0f}"
                )
        for name in ("DatabaseClass", "CacheNodeType"):
            if name in values and (fault := find_class_fault(values[name])):
                yield f"parameters.data.{name}: {values[name]} {fault}"

    def _list_values(self, name: str) -> dict[str, str]:
        """Return all parameters of a stack, with the defaults of its template."""
        stack = find_stack(name)
        defaults = {key: each.default or "" for key, each in stack.template.parameters.items()}
        return defaults | self.get_parameters(stack)


def find_environment(name: str) -> Path:
    """Return an environment's file: of a name in ``infra/environments``, or a path that ends in ``.yaml``.

    Raises
    ------
    DeploymentError
        There is no such environment.
    """
    file = Path(name) if name.endswith(".yaml") else INFRA / "environments" / f"{name}.yaml"
    if not file.is_file():
        names = sorted(each.stem for each in (INFRA / "environments").glob("*.yaml"))
        raise DeploymentError(f"There is no environment {name!r}. There are {', '.join(names)}.")
    return file
