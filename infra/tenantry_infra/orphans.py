"""Orphaned stacks: they exist in the account, but the environment's file does not describe them."""

from collections.abc import Iterator
from dataclasses import dataclass

from typing_extensions import override

from .account import AwsAccount
from .errors import DeploymentError
from .stacks import STACKS, StackRegion

__all__ = ["OrphanedStack", "check_no_orphans", "list_orphans"]


@dataclass(frozen=True)
class OrphanedStack:
    """A stack that the environment's file does not describe.

    Parameters
    ----------
    name
        Name in CloudFormation.
    region
        Its region.
    """

    name: str
    region: str

    @override
    def __str__(self) -> str:
        """Return the name with the region."""
        return f"{self.name} in {self.region}"


def list_orphans(account: AwsAccount) -> list[OrphanedStack]:
    """Return the orphaned stacks of an environment, in the order in which they can be deleted.

    CloudFormation lists the stacks of one region only. The regions are the environment's, CloudFront's, and
    those of copies that the file or existing stacks name.
    """
    environment = account.environment
    regions = {environment.region, StackRegion.GLOBAL.value, *_list_replica_regions(account)}
    described = {
        OrphanedStack(environment.get_stack_name(stack), environment.get_region(stack))
        for stack in environment.stacks
    }
    existing = {
        OrphanedStack(name, region)
        for region in regions
        for name in account.open_cloudformation(region).list_stacks(
            environment.stack_prefix, environment.tags
        )
    }
    order = {environment.get_stack_name(stack): number for number, stack in enumerate(STACKS)}
    return sorted(
        existing - described, key=lambda orphan: (-order.get(orphan.name, len(STACKS)), orphan.region)
    )


def check_no_orphans(account: AwsAccount) -> None:
    """Check that the environment's file describes all of its stacks.

    Raises
    ------
    DeploymentError
        There are orphaned stacks.
    """
    if orphans := list_orphans(account):
        raise DeploymentError(
            f"The file of {account.environment.name} does not describe these stacks, but they exist: "
            f"{', '.join(map(str, orphans))}. Nothing was changed. Restore their settings in the file (edge, "
            "replicaRegion or parameters). Or delete only these stacks, in this order, in the console of "
            "CloudFormation. Then run the command again."
        )


def _list_replica_regions(account: AwsAccount) -> Iterator[str]:
    """Yield the region of copies in the environment's file, and those with which its stacks were created."""
    environment = account.environment
    if environment.replica_region:
        yield environment.replica_region
    for stack in environment.stacks:
        if "ReplicaRegion" in stack.template.parameters:
            state = account.get_cloudformation(stack).get_state(environment.get_stack_name(stack))
            if region := state.parameters.get("ReplicaRegion"):
                yield region
