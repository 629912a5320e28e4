"""Removal of an environment's stacks. Stacks with data remain, unless their data is removed first."""

from collections.abc import Callable
from contextlib import suppress

from .account import AwsAccount
from .cloudformation import Report, StackEvent, StackPhase
from .errors import DeploymentError
from .stacks import Stack

__all__ = ["StackRemoval"]


class StackRemoval:
    """Removal of an environment's stacks, in reverse order.

    Parameters
    ----------
    account
        The account.
    report
        Receives progress.
    delete_data
        Also remove the stacks with data.
    """

    def __init__(self, account: AwsAccount, report: Report, *, delete_data: bool) -> None:
        self._account = account
        self._environment = account.environment
        self._report = report
        self._deletes_data = delete_data

    def list_kept(self) -> list[Stack]:
        """Return the existing stacks that remain: those with data, and those that they need."""
        if self._deletes_data:
            return []
        kept = {stack.name for stack in self._list_existing() if stack.holds_data}
        for stack in reversed(self._environment.stacks):
            if stack.name in kept:
                kept.update(stack.needs)
        return [stack for stack in self._list_existing() if stack.name in kept]

    def list_removed(self) -> list[Stack]:
        """Return the existing stacks that are removed, in order."""
        kept = self.list_kept()
        return [stack for stack in reversed(self._list_existing()) if stack not in kept]

    def check_no_cluster(self) -> None:
        """Check that the cluster was deleted: its nodes and pods use the stacks.

        Raises
        ------
        DeploymentError
            The cluster exists.
        """
        if self._account.has_cluster():
            name = self._environment.cluster_name
            raise DeploymentError(
                f"The cluster {name} exists, and uses these stacks. Nothing was removed. Uninstall Tenantry, "
                f"delete the cluster with `eksctl delete cluster --name {name} --region "
                f"{self._environment.region} --wait`, then run the command again."
            )

    def remove(self) -> None:
        """Remove the stacks.

        Raises
        ------
        DeploymentError
            The cluster exists, a bucket is not empty, a resource is protected, or a stack cannot be deleted.
        """
        self.check_no_cluster()
        removed = self.list_removed()
        self._check_removable(removed)
        for stack in removed:
            self._remove_stack(stack)

    def _list_existing(self) -> list[Stack]:
        return [
            stack
            for stack in self._environment.stacks
            if self._account.get_cloudformation(stack)
            .get_state(self._environment.get_stack_name(stack))
            .phase
            is not StackPhase.ABSENT
        ]

    def _check_removable(self, stacks: list[Stack]) -> None:
        balancers = self._list_blocking(
            stacks, "AWS::ElasticLoadBalancingV2::LoadBalancer", self._is_balancer_protected
        )
        if balancers:
            raise DeploymentError(
                f"These load balancers are protected from deletion: {', '.join(balancers)}. "
                "Nothing was removed. Set parameters.edge.DeletionProtection to false, run aws-up, then run "
                "the command again."
            )
        protected = self._list_blocking(stacks, "AWS::RDS::DBInstance", self._is_database_protected)
        if protected:
            raise DeploymentError(
                f"These databases are protected from deletion: {', '.join(protected)}. Nothing was removed. "
                "Set parameters.data.DeletionProtection to false, run aws-up, then run the command again."
            )
        vaults = self._list_blocking(stacks, "AWS::Backup::BackupVault", self._has_backups)
        if vaults:
            raise DeploymentError(
                f"These vaults hold backups: {', '.join(vaults)}. Nothing was removed. Delete the backups in "
                "the console of AWS Backup, or wait until they expire, then run the command again."
            )
        full = self._list_blocking(stacks, "AWS::S3::Bucket", self._has_objects)
        if full:
            raise DeploymentError(
                f"These buckets are not empty: {', '.join(full)}. Nothing was removed. Empty them in the "
                "console of S3 (button Empty, which also deletes old versions), then run the command again."
            )

    def _list_blocking(
        self, stacks: list[Stack], kind: str, is_blocking: Callable[[Stack, str], bool]
    ) -> list[str]:
        """Return the ids of the resources of a type that block the removal of their stack."""
        return [
            resource
            for stack in stacks
            for resource in self._list_physical_ids(stack, kind)
            if is_blocking(stack, resource)
        ]

    def _is_balancer_protected(self, stack: Stack, balancer: str) -> bool:
        elb = self._account.get_elb(stack)
        try:
            found = elb.describe_load_balancer_attributes(LoadBalancerArn=balancer)["Attributes"]
        except elb.exceptions.LoadBalancerNotFoundException:
            return False
        return {"Key": "deletion_protection.enabled", "Value": "true"} in found

    def _is_database_protected(self, stack: Stack, database: str) -> bool:
        rds = self._account.get_rds(stack)
        try:
            (found,) = rds.describe_db_instances(DBInstanceIdentifier=database)["DBInstances"]
        except rds.exceptions.DBInstanceNotFoundFault:
            return False
        return bool(found["DeletionProtection"])

    def _has_backups(self, stack: Stack, vault: str) -> bool:
        backup = self._account.get_backup(stack)
        try:
            found = backup.describe_backup_vault(BackupVaultName=vault)
        except backup.exceptions.ResourceNotFoundException:
            return False
        return bool(found["NumberOfRecoveryPoints"])

    def _has_objects(self, stack: Stack, bucket: str) -> bool:
        s3 = self._account.get_s3(stack)
        try:
            found = s3.list_object_versions(Bucket=bucket, MaxKeys=1)
        except s3.exceptions.NoSuchBucket:
            return False
        return bool(found.get("Versions") or found.get("DeleteMarkers"))

    def _remove_stack(self, stack: Stack) -> None:
        cloudformation = self._account.get_cloudformation(stack)
        name = self._environment.get_stack_name(stack)
        state = cloudformation.get_state(name)
        if state.phase is StackPhase.BUSY:
            cloudformation.wait(name, self._make_event_report(stack))
        self._delete_data(stack)
        if state.protected:
            cloudformation.set_protection(name, protected=False)
        for key in self._list_physical_ids(stack, "AWS::KMS::Key"):
            self._report(stack.name, f"the key {key} stays, because snapshots are encrypted with it")
        last = cloudformation.get_last_event(name)
        cloudformation.delete_stack(name)
        state = cloudformation.wait(name, self._make_event_report(stack), last)
        if state.phase is not StackPhase.ABSENT:
            raise DeploymentError(f"{name} cannot be deleted and is {state.status}: {state.reason}")
        self._report(stack.name, "removed")

    def _delete_data(self, stack: Stack) -> None:
        """Delete what CloudFormation would retain, while the stack still knows it."""
        s3, ecr = self._account.get_s3(stack), self._account.get_ecr(stack)
        backup = self._account.get_backup(stack)
        for vault in self._list_physical_ids(stack, "AWS::Backup::BackupVault"):
            # AWS Backup refuses to delete a vault with backups.
            with suppress(backup.exceptions.ResourceNotFoundException):
                backup.delete_backup_vault(BackupVaultName=vault)
        for bucket in self._list_physical_ids(stack, "AWS::S3::Bucket"):
            # S3 refuses to delete a bucket with objects.
            with suppress(s3.exceptions.NoSuchBucket):
                s3.delete_bucket(Bucket=bucket)
        for repository in self._list_physical_ids(stack, "AWS::ECR::Repository"):
            with suppress(ecr.exceptions.RepositoryNotFoundException):
                ecr.delete_repository(repositoryName=repository, force=True)

    def _list_physical_ids(self, stack: Stack, kind: str) -> list[str]:
        resources = self._account.get_cloudformation(stack).list_resources(
            self._environment.get_stack_name(stack)
        )
        return [physical_id for each, physical_id in resources if each == kind and physical_id]

    def _make_event_report(self, stack: Stack) -> Callable[[StackEvent], None]:
        return lambda event: self._report(stack.name, f"{event.status:<20} {event.name} ({event.type})")
