"""Adapter of CloudFormation in one region: states of stacks, change sets and events."""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from .errors import DeploymentError
from .stacks import DATA_TYPES

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef

__all__ = [
    "ChangeSet",
    "CloudFormation",
    "Report",
    "ResourceChange",
    "StackEvent",
    "StackPhase",
    "StackState",
]

Report = Callable[[str, str], None]
"""Receives the name of a stack and what happens to it."""

OPERATION_TIMEOUT_SECONDS = 5400
"""Limit of one operation of a stack. A Multi-AZ database takes up to 40 minutes."""

CHANGE_SET_TIMEOUT_SECONDS = 300
"""Limit of the comparison of a template with its stack."""

FIRST_POLL_SECONDS, LAST_POLL_SECONDS, POLL_GROWTH = 0.2, 5.0, 1.5
"""Pauses between polls: they grow, so that a short operation ends soon and a long one needs few calls."""

NO_CHANGE_REASONS = ("didn't contain changes", "No updates are to be performed")
"""Parts of CloudFormation's reason for a change set without changes, which it reports as failed."""


STACK_POLICY = json.dumps(
    {
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "Update:*", "Resource": "*"},
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["Update:Replace", "Update:Delete"],
                "Resource": "*",
                "Condition": {"StringEquals": {"ResourceType": sorted(DATA_TYPES)}},
            },
        ]
    }
)
"""Policy of stacks with data, which CloudFormation enforces for every update, also for one in the console."""


class StackPhase(Enum):
    """Situation of a stack, which decides the next step."""

    ABSENT = auto()
    """The stack does not exist."""

    REVIEWED = auto()
    """A change set created it, but was never executed. It has no resources."""

    BUSY = auto()
    """An operation is running."""

    READY = auto()
    """The stack can be updated."""

    CREATION_FAILED = auto()
    """Its first creation failed. It cannot be updated, only deleted."""

    STUCK = auto()
    """A rollback or deletion failed. A person must decide."""


PHASES = {
    "REVIEW_IN_PROGRESS": StackPhase.REVIEWED,
    "CREATE_COMPLETE": StackPhase.READY,
    "UPDATE_COMPLETE": StackPhase.READY,
    "UPDATE_ROLLBACK_COMPLETE": StackPhase.READY,
    "IMPORT_COMPLETE": StackPhase.READY,
    "IMPORT_ROLLBACK_COMPLETE": StackPhase.READY,
    "CREATE_FAILED": StackPhase.CREATION_FAILED,
    "ROLLBACK_COMPLETE": StackPhase.CREATION_FAILED,
    "ROLLBACK_FAILED": StackPhase.CREATION_FAILED,
    "DELETE_COMPLETE": StackPhase.ABSENT,
}
"""Phase of a status of CloudFormation. Others are busy if they end in ``_IN_PROGRESS``, else stuck."""


@dataclass(frozen=True)
class StackState:
    """State of a stack.

    Parameters
    ----------
    status
        Status of CloudFormation, or ``ABSENT``.
    reason
        Reason of the status; empty if there is none.
    outputs
        Outputs by name.
    protected
        True if the stack is protected from deletion.
    parameters
        Parameters by name.
    """

    status: str = "ABSENT"
    reason: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    protected: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def phase(self) -> StackPhase:
        """Return the phase."""
        if self.status == "ABSENT":
            return StackPhase.ABSENT
        if self.status in PHASES:
            return PHASES[self.status]
        return StackPhase.BUSY if self.status.endswith("_IN_PROGRESS") else StackPhase.STUCK


@dataclass(frozen=True)
class ResourceChange:
    """A change of one resource.

    Parameters
    ----------
    action
        ``Add``, ``Modify``, ``Remove``, ``Import`` or ``Dynamic``.
    name
        Logical id.
    type
        Type of the resource.
    replacement
        ``True``, ``Conditional`` or ``False``; empty for an action other than ``Modify``.
    properties
        Names of the changed properties.
    """

    action: str
    name: str
    type: str
    replacement: str = ""
    properties: tuple[str, ...] = ()

    @property
    def loses_data(self) -> bool:
        """Return True if the resource has data and would be deleted, or replaced by an empty one."""
        if self.type not in DATA_TYPES:
            return False
        is_renamed = self.action == "Modify" and DATA_TYPES[self.type] in self.properties
        return self.action == "Remove" or self.replacement == "True" or is_renamed


@dataclass(frozen=True)
class ChangeSet:
    """A change set that can be executed.

    Parameters
    ----------
    id
        Its ARN.
    changes
        Changes of resources.
    """

    id: str
    changes: tuple[ResourceChange, ...]


@dataclass(frozen=True)
class StackEvent:
    """An event of a running operation: a resource got a status."""

    name: str
    type: str
    status: str
    reason: str = ""


class CloudFormation:
    """CloudFormation of one region.

    Parameters
    ----------
    client
        Client of the SDK, which retries throttled calls.
    sleep
        Pauses between polls.
    now
        Clock of the time limits.
    """

    def __init__(
        self,
        client: "CloudFormationClient",
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._sleep = sleep
        self._now = now

    def get_state(self, name: str) -> StackState:
        """Return the state of a stack."""
        try:
            (stack,) = self._client.describe_stacks(StackName=name)["Stacks"]
        except ClientError as exc:
            if "does not exist" in str(exc):
                return StackState()
            raise
        outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
        return StackState(
            stack["StackStatus"],
            stack.get("StackStatusReason", ""),
            outputs,
            stack.get("EnableTerminationProtection", False),
            {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])},
        )

    def list_stacks(self, prefix: str, tags: Mapping[str, str]) -> list[str]:
        """Return the names of the existing stacks with a prefix and with tags."""
        wanted = set(tags.items())
        return [
            stack["StackName"]
            for page in self._client.get_paginator("describe_stacks").paginate()
            for stack in page["Stacks"]
            if stack["StackName"].startswith(prefix)
            and stack["StackStatus"] != "DELETE_COMPLETE"
            and wanted <= {(tag["Key"], tag["Value"]) for tag in stack.get("Tags", [])}
        ]

    def create_change_set(
        self, name: str, phase: StackPhase, body: str, parameters: Mapping[str, str], tags: Mapping[str, str]
    ) -> ChangeSet | None:
        """Compare a template with its stack, and return the changes; None if there are none.

        Each change set has a new name, so one that an interrupted run has left does not matter.
        CloudFormation deletes it when another one is executed.

        Raises
        ------
        DeploymentError
            CloudFormation refuses the template or the parameters.
        """
        kind: Literal["UPDATE", "CREATE"] = "UPDATE" if phase is StackPhase.READY else "CREATE"
        values: list[ParameterTypeDef] = [
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ]
        try:
            change_set = self._client.create_change_set(
                StackName=name,
                ChangeSetName=f"tenantry-{secrets.token_hex(8)}",
                ChangeSetType=kind,
                TemplateBody=body,
                Parameters=values,
                Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )["Id"]
        except ClientError as exc:
            raise DeploymentError(f"{name}: {exc.response['Error']['Message']}") from exc
        description = self._wait_for_change_set(change_set)
        if description["Status"] == "FAILED":
            reason = description.get("StatusReason", "")
            is_unchanged = any(text in reason for text in NO_CHANGE_REASONS)
            errors = [] if is_unchanged else self._list_validation_errors(ChangeSetName=change_set)
            self.delete_change_set(change_set)
            if is_unchanged:
                return None
            details = [f"  {each.name} ({each.type}): {each.reason}" for each in errors]
            raise DeploymentError(
                "\n".join([f"{name}: CloudFormation refuses the change: {reason}", *details])
            )
        return ChangeSet(change_set, tuple(self._list_changes(change_set)))

    def delete_change_set(self, change_set: str) -> None:
        """Delete a change set."""
        self._client.delete_change_set(ChangeSetName=change_set)

    def execute(self, change_set: str) -> None:
        """Start the execution of a change set. If it fails, CloudFormation deletes what it created."""
        self._client.execute_change_set(ChangeSetName=change_set, RetainExceptOnCreate=True)

    def delete_stack(self, name: str) -> None:
        """Start the deletion of a stack."""
        self._client.delete_stack(StackName=name)

    def set_protection(self, name: str, *, protected: bool) -> None:
        """Set the protection of a stack from deletion."""
        self._client.update_termination_protection(StackName=name, EnableTerminationProtection=protected)

    def set_data_policy(self, name: str) -> None:
        """Let CloudFormation refuse each update of a stack that replaces or deletes a resource with data."""
        self._client.set_stack_policy(StackName=name, StackPolicyBody=STACK_POLICY)

    def list_resources(self, name: str) -> list[tuple[str, str]]:
        """Return type and physical id of each resource of a stack."""
        pages = self._client.get_paginator("list_stack_resources").paginate(StackName=name)
        return [
            (resource["ResourceType"], resource.get("PhysicalResourceId", ""))
            for page in pages
            for resource in page["StackResourceSummaries"]
        ]

    def wait(self, name: str, report: Callable[[StackEvent], None], since: str | None = None) -> StackState:
        """Wait until no operation of a stack is running, report its events, and return its state.

        Parameters
        ----------
        name
            The stack.
        report
            Receives each new event.
        since
            Id of the last event that is already known; None reports only events from now on.

        Raises
        ------
        DeploymentError
            The operation takes too long. It continues in AWS.
        """
        last = since if since is not None else self.get_last_event(name)
        for _ in self._poll(OPERATION_TIMEOUT_SECONDS):
            state = self.get_state(name)
            for event_id, event in self._list_events(name, last):
                report(event)
                last = event_id
            # After the first execution starts, the stack may keep the status of its review for a moment.
            if state.phase not in (StackPhase.BUSY, StackPhase.REVIEWED):
                return state
        raise DeploymentError(
            f"{name} is still {state.status} after {OPERATION_TIMEOUT_SECONDS // 60} minutes. "
            "CloudFormation continues. Run the command again to wait longer."
        )

    def get_last_event(self, name: str) -> str:
        """Return the id of a stack's last event; empty if it has none."""
        try:
            events = self._client.describe_stack_events(StackName=name)["StackEvents"]
        except ClientError as exc:
            if "does not exist" in str(exc):
                return ""
            raise
        return events[0]["EventId"] if events else ""

    def find_failures(self, name: str) -> list[StackEvent]:
        """Return the failures of the last operation, without those that only followed from another one."""
        failures, reasons = list[StackEvent](), list[StackEvent]()
        for event in self._client.describe_stack_events(StackName=name)["StackEvents"]:
            status, reason = event.get("ResourceStatus", ""), event.get("ResourceStatusReason", "")
            is_stack = event.get("PhysicalResourceId") == event["StackId"]
            found = StackEvent(event["LogicalResourceId"], event.get("ResourceType", ""), status, reason)
            if status.endswith("_FAILED") and not is_stack and "cancelled" not in reason.lower():
                failures.append(found)
            if is_stack and reason:
                reasons.append(found)
            if is_stack and status in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"):
                break
        return failures[::-1] or self._list_validation_errors(StackName=name) or reasons[::-1]

    def _list_validation_errors(self, **scope: Any) -> list[StackEvent]:
        """Return what CloudFormation refused in advance, for example the name of another account's bucket."""
        paginator = self._client.get_paginator("describe_events")
        failed = paginator.paginate(**scope, Filters={"FailedEvents": True})
        return [
            StackEvent(
                event.get("LogicalResourceId", ""),
                event.get("ResourceType", ""),
                event.get("ValidationStatus", ""),
                event.get("ValidationStatusReason", ""),
            )
            for page in failed
            for event in page["OperationEvents"]
            if event.get("EventType") == "VALIDATION_ERROR"
        ]

    def _list_events(self, name: str, since: str) -> list[tuple[str, StackEvent]]:
        """Return the events after one, the oldest first."""
        found: list[tuple[str, StackEvent]] = []
        try:
            for page in self._client.get_paginator("describe_stack_events").paginate(StackName=name):
                for event in page["StackEvents"]:
                    if event["EventId"] == since:
                        return found[::-1]
                    found.append(
                        (
                            event["EventId"],
                            StackEvent(
                                event["LogicalResourceId"],
                                event.get("ResourceType", ""),
                                event.get("ResourceStatus", ""),
                                event.get("ResourceStatusReason", ""),
                            ),
                        )
                    )
        except ClientError as exc:
            # A deleted stack has no events under its name.
            if "does not exist" not in str(exc):
                raise
        return found[::-1]

    def _wait_for_change_set(self, change_set: str) -> Any:
        for _ in self._poll(CHANGE_SET_TIMEOUT_SECONDS):
            description = self._client.describe_change_set(ChangeSetName=change_set)
            if description["Status"] in ("CREATE_COMPLETE", "FAILED"):
                return description
        raise DeploymentError(
            f"CloudFormation did not finish {change_set} in {CHANGE_SET_TIMEOUT_SECONDS} seconds. "
            "Run the command again."
        )

    def _list_changes(self, change_set: str) -> Iterator[ResourceChange]:
        for page in self._client.get_paginator("describe_change_set").paginate(ChangeSetName=change_set):
            for change in page["Changes"]:
                resource = change["ResourceChange"]
                targets = [detail.get("Target", {}) for detail in resource.get("Details", [])]
                yield ResourceChange(
                    resource["Action"],
                    resource["LogicalResourceId"],
                    resource["ResourceType"],
                    resource.get("Replacement", ""),
                    tuple(sorted({target["Name"] for target in targets if target.get("Name")})),
                )

    def _poll(self, limit: float) -> Iterator[None]:
        deadline, pause = self._now() + limit, FIRST_POLL_SECONDS
        while True:
            yield
            if self._now() > deadline:
                return
            self._sleep(pause)
            pause = min(pause * POLL_GROWTH, LAST_POLL_SECONDS)
