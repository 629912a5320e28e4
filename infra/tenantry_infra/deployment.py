"""Creation and update of an environment's stacks. Each run continues where an earlier one was interrupted."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from .account import AwsAccount
from .cloudformation import (
    ChangeSet,
    CloudFormation,
    Report,
    ResourceChange,
    StackEvent,
    StackPhase,
    StackState,
)
from .costs.estimate import Cost, estimate_stack
from .errors import DeploymentError
from .stacks import Stack

__all__ = ["Deployment", "StackPlan"]

SUCCEEDED = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})

NEW = (StackPhase.ABSENT, StackPhase.REVIEWED, StackPhase.CREATION_FAILED)
"""Phases of a stack without resources."""


@dataclass(frozen=True)
class StackPlan:
    """Changes that a deployment would make to a stack.

    Parameters
    ----------
    stack
        The stack.
    state
        Its present state.
    changes
        Changes of its resources.
    cost
        Estimate of its cost after the changes.
    present_cost
        Estimate of its present cost: zero if the stack does not exist.
    """

    stack: Stack
    state: StackState
    changes: tuple[ResourceChange, ...]
    cost: Cost
    present_cost: Cost


class Deployment:
    """Deployment of an environment's stacks, one after the other.

    Parameters
    ----------
    account
        The account.
    report
        Receives progress.
    """

    def __init__(self, account: AwsAccount, report: Report) -> None:
        self._account = account
        self._environment = account.environment
        self._report = report
        self._outputs: dict[str, Mapping[str, str]] = {}

    def plan(self) -> Iterator[StackPlan]:
        """Yield the changes of each stack. Nothing is changed.

        CloudFormation compares an existing stack with its template. The resources of a new stack are read
        from the template, because a comparison would create the stack.

        Raises
        ------
        DeploymentError
            EKS refuses the zones of the environment.
        """
        self._check_zones()
        for stack in self._environment.stacks:
            cloudformation, name = self._get_stack(stack)
            state = cloudformation.get_state(name)
            changes: tuple[ResourceChange, ...] = ()
            if state.phase in NEW:
                resources = stack.template.list_resources(self._build_parameters(stack))
                changes = tuple(ResourceChange("Add", each, body["Type"]) for each, body in resources.items())
            elif state.phase is StackPhase.READY:
                self._outputs[stack.name] = state.outputs
                if change_set := self._create_change_set(stack, state.phase):
                    cloudformation.delete_change_set(change_set.id)
                    changes = change_set.changes
            yield StackPlan(
                stack, state, changes, self._estimate(stack), self._estimate_present(stack, state)
            )

    def deploy(self) -> None:
        """Create and update all stacks.

        Raises
        ------
        DeploymentError
            A stack cannot be created or updated, or EKS refuses the zones. Earlier stacks remain.
        """
        self._check_zones()
        for stack in self._environment.stacks:
            self._outputs[stack.name] = self._deploy_stack(stack).outputs

    def _check_zones(self) -> None:
        """Check the zones before the network exists. Afterwards, its subnets stay in their zones."""
        for stack in self._environment.stacks:
            cloudformation, name = self._get_stack(stack)
            if stack.name == "network" and cloudformation.get_state(name).phase in NEW:
                self._account.check_zones()

    def _estimate(self, stack: Stack) -> Cost:
        return estimate_stack(self._environment, stack)

    def _estimate_present(self, stack: Stack, state: StackState) -> Cost:
        if state.phase in NEW:
            return Cost()
        return estimate_stack(self._environment, stack, state.parameters)

    def _deploy_stack(self, stack: Stack) -> StackState:
        cloudformation, name = self._get_stack(stack)
        state = self._prepare(stack)
        change_set = self._create_change_set(stack, state.phase)
        if change_set is None:
            self._report(stack.name, f"no change, about {self._estimate(stack)}")
        else:
            self._check_data_is_kept(stack, change_set)
            last = cloudformation.get_last_event(name)
            cloudformation.execute(change_set.id)
            state = cloudformation.wait(name, self._make_event_report(stack), last)
            if state.status not in SUCCEEDED:
                raise DeploymentError(self._explain_failure(stack, state))
            self._report(stack.name, f"ready, about {self._estimate(stack)}")
        if stack.holds_data and not state.protected:
            cloudformation.set_data_policy(name)
            cloudformation.set_protection(name, protected=True)
        return state

    def _prepare(self, stack: Stack) -> StackState:
        """Wait for a running operation and delete a failed creation; return the state after it."""
        cloudformation, name = self._get_stack(stack)
        state = cloudformation.get_state(name)
        if state.phase is StackPhase.BUSY:
            self._report(stack.name, f"{state.status}: waiting for an operation that is already running")
            state = cloudformation.wait(name, self._make_event_report(stack))
        if state.phase is StackPhase.CREATION_FAILED:
            self._report(stack.name, f"{state.status}: deleting the rest of a failed creation")
            last = cloudformation.get_last_event(name)
            cloudformation.delete_stack(name)
            state = cloudformation.wait(name, self._make_event_report(stack), last)
        if state.phase is StackPhase.STUCK or state.phase is StackPhase.CREATION_FAILED:
            raise DeploymentError(
                f"{name} is {state.status}: {state.reason} Resolve this in the console of CloudFormation "
                "(Stack actions: continue update rollback, or delete), then run the command again."
            )
        return state

    def _create_change_set(self, stack: Stack, phase: StackPhase) -> ChangeSet | None:
        cloudformation, name = self._get_stack(stack)
        return cloudformation.create_change_set(
            name, phase, stack.template.body, self._build_parameters(stack), self._environment.tags
        )

    def _build_parameters(self, stack: Stack) -> dict[str, str]:
        """Return the parameters of a stack: the environment's, and outputs of the stacks that it needs."""
        outputs = {
            name: value for other in stack.needs for name, value in self._outputs.get(other, {}).items()
        }
        known = outputs | self._environment.get_parameters(stack)
        return {name: known[name] for name in stack.template.parameters if name in known}

    def _check_data_is_kept(self, stack: Stack, change_set: ChangeSet) -> None:
        destroyed = [change.name for change in change_set.changes if change.loses_data]
        if destroyed:
            self._get_stack(stack)[0].delete_change_set(change_set.id)
            raise DeploymentError(
                f"{stack.name}: the change would delete or replace {', '.join(destroyed)} and lose its data. "
                "Undo the change of the environment's parameters or of the template."
            )

    def _explain_failure(self, stack: Stack, state: StackState) -> str:
        cloudformation, name = self._get_stack(stack)
        failures = [
            f"  {each.name} ({each.type}): {each.reason}" for each in cloudformation.find_failures(name)
        ]
        return "\n".join([f"{name} failed and is {state.status}:", *(failures or [f"  {state.reason}"])])

    def _get_stack(self, stack: Stack) -> tuple[CloudFormation, str]:
        return self._account.get_cloudformation(stack), self._environment.get_stack_name(stack)

    def _make_event_report(self, stack: Stack) -> Callable[[StackEvent], None]:
        def report(event: StackEvent) -> None:
            reason = f": {event.reason}" if event.status.endswith("_FAILED") else ""
            self._report(stack.name, f"{event.status:<20} {event.name} ({event.type}){reason}")

        return report
