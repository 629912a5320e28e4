"""Tests of copies of images, which the emulator cannot create, in the template."""

from tenantry_infra.stacks import STACKS

(REGISTRY,) = (stack for stack in STACKS if stack.name == "registry")


def test_all_images_are_copied_to_the_other_region_if_there_is_one() -> None:
    assert "Replication" not in REGISTRY.template.list_resources({"ReplicaRegion": ""})
    replication = REGISTRY.template.list_resources({"ReplicaRegion": "us-west-2"})["Replication"]
    (rule,) = replication["Properties"]["ReplicationConfiguration"]["Rules"]
    assert rule["Destinations"] == [
        {"Region": {"Ref": "ReplicaRegion"}, "RegistryId": {"Ref": "AWS::AccountId"}}
    ]
    assert rule["RepositoryFilters"] == [{"Filter": "tenantry/", "FilterType": "PREFIX_MATCH"}]
