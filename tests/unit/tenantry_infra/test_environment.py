"""Tests of the environments of the repository, and of messages for wrong ones."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tenantry_infra.environment import Environment, find_environment
from tenantry_infra.errors import DeploymentError
from tenantry_infra.stacks import INFRA, STACKS, Stack

NAMES = ("dev", "small", "staging", "prod")
Document = dict[str, Any]


def read_environment(name: str = "dev") -> Document:
    document: Document = yaml.safe_load((INFRA / "environments" / f"{name}.yaml").read_text())
    return document


def load_environment(folder: Path, document: Document, name: str = "dev") -> Environment:
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(document))
    return Environment.load(file)


def get_stack(name: str) -> Stack:
    (stack,) = (stack for stack in STACKS if stack.name == name)
    return stack


@pytest.mark.parametrize("name", NAMES)
def test_the_environments_of_the_repository_are_valid_and_name_no_account(name: str) -> None:
    environment = Environment.load(find_environment(name))
    assert environment.name == name
    assert environment.account == ""


def test_environments_of_one_repository_share_no_bucket() -> None:
    names = [
        value
        for name in NAMES
        for parameters in Environment.load(find_environment(name)).parameters.values()
        for key, value in parameters.items()
        if key.endswith("Bucket")
    ]
    assert len(names) == len(set(names))


def test_values_of_yaml_become_parameters_of_cloudformation(tmp_path: Path) -> None:
    document = read_environment()
    document["parameters"]["network"] |= {
        "InterfaceEndpoints": True, "FlowLogDays": 30, "AppCidrs": ["10.0.30.0/24", "10.0.31.0/24"]
    }  # fmt: skip
    parameters = load_environment(tmp_path, document).get_parameters(get_stack("network"))
    assert parameters["InterfaceEndpoints"] == "true"
    assert parameters["FlowLogDays"] == "30"
    assert parameters["AppCidrs"] == "10.0.30.0/24,10.0.31.0/24"
    assert parameters["ClusterName"] == "tenantry-dev"


def test_a_region_of_copies_adds_its_stack_and_the_copies_of_images(tmp_path: Path) -> None:
    document = read_environment()
    assert "replica" not in [stack.name for stack in load_environment(tmp_path, document).stacks]
    document["replicaRegion"] = "us-west-2"
    document["parameters"]["replica"] = {"ReplicaBucket": "copies-of-dev"}
    environment = load_environment(tmp_path, document)
    replica = get_stack("replica")
    assert replica in environment.stacks
    assert environment.get_region(replica) == "us-west-2"
    assert environment.get_region(get_stack("storage")) == "us-east-1"
    assert environment.get_parameters(get_stack("registry"))["ReplicaRegion"] == "us-west-2"


EDGE = {"host": "chat.example.com", "hostedZoneId": "Z0123456789ABCDEFGHIJ"}
EDGE_STACKS = ["web-acl", "edge", "web-acl-global", "edge-global", "dns"]


def test_a_host_adds_the_stacks_of_the_edge(tmp_path: Path) -> None:
    document = read_environment()
    names = [stack.name for stack in load_environment(tmp_path, document).stacks]
    assert not set(EDGE_STACKS) & set(names)
    document |= {"edge": EDGE, "region": "eu-west-1"}
    document["parameters"]["network"]["LoadBalancerPrefixList"] = "pl-4fa04526"
    environment = load_environment(tmp_path, document)
    assert [stack.name for stack in environment.stacks if stack.name not in names] == EDGE_STACKS
    regions = {name: environment.get_region(get_stack(name)) for name in EDGE_STACKS}
    assert regions == {
        "web-acl": "eu-west-1", "edge": "eu-west-1", "web-acl-global": "us-east-1",
        "edge-global": "us-east-1", "dns": "eu-west-1",
    }  # fmt: skip
    scopes = [environment.get_parameters(get_stack(name))["Scope"] for name in ("web-acl", "web-acl-global")]
    assert scopes == ["REGIONAL", "CLOUDFRONT"]
    assert environment.get_parameters(get_stack("dns"))["Host"] == "chat.example.com"


@pytest.mark.parametrize(
    ("edge", "message"),
    [
        ({"host": "chat.example.com"}, "edge.hostedZoneId"),
        ({"hostedZoneId": "Z0123456789ABCDEFGHIJ"}, "edge.host"),
        ({**EDGE, "host": "https://chat.example.com"}, "edge.host: "),
        ({**EDGE, "host": "chat.example.com/"}, "edge.host: "),
        ({**EDGE, "host": "Chat.example.com"}, "edge.host: "),
        ({**EDGE, "host": "*.example.com"}, "edge.host: "),
        ({**EDGE, "host": "localhost"}, "edge.host: "),
        ({**EDGE, "host": "192.168.1.1"}, "edge.host: "),
        ({**EDGE, "hostedZoneId": "example.com"}, "edge.hostedZoneId: "),
        ({**EDGE, "domain": "example.com"}, "edge.domain: "),
        (EDGE, "parameters.network.LoadBalancerPrefixList: is missing, but edge is set"),
    ],
)
def test_a_wrong_edge_is_named(tmp_path: Path, edge: Document, message: str) -> None:
    with pytest.raises(DeploymentError, match=r"dev\.yaml is wrong") as caught:
        load_environment(tmp_path, read_environment() | {"edge": edge})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"account": "12345"}, ["account: "]),
        ({"account": 123456789012}, ["account: "]),
        ({"region": "us-east"}, ["region: "]),
        ({"serviceCidr": "172.20.0.0/33"}, ["serviceCidr: "]),
        ({"serviceCidr": "10.0.0.0/20"}, ["serviceCidr: 10.0.0.0/20 overlaps with the VPC, 10.0.0.0/16"]),
        ({"region": "eu-centrall-1"}, ["region: ", "Did you mean eu-central-1?"]),
        ({"region": "us-east-9"}, ["region: ", "'us-east-9' is no region"]),
        ({"region": "us-gov-west-1"}, ["region: ", "us-gov-west-1 belongs to the partition aws-us-gov"]),
        ({"region": "cn-north-1"}, ["region: ", "cn-north-1 belongs to the partition aws-cn"]),
        ({"region": "aws-global"}, ["region: "]),
        ({"replicaRegion": "us-wets-2"}, ["replicaRegion: ", "Did you mean us-west-2?"]),
        ({"serviceCidr": "172.16.0.0/11"}, ["serviceCidr: ", "172.16.0.0/11"]),
        ({"serviceCidr": "172.20.0.0/25"}, ["serviceCidr: ", "between /12 and /24"]),
        ({"serviceCidr": "8.8.0.0/16"}, ["serviceCidr: ", "must be within 10.0.0.0/8"]),
        ({"serviceCidr": "100.64.0.0/16"}, ["serviceCidr: ", "must be within 10.0.0.0/8"]),
        ({"serviceCidr": "fd00::/108"}, ["serviceCidr: ", "must be a network of IPv4"]),
        ({"regoin": "us-east-1"}, ["regoin: "]),
        ({"replicaRegion": "us-east-1"}, ["replicaRegion: must differ", "ReplicaBucket: is missing"]),
        ({"replicaRegion": "us-west-2"}, ["parameters.replica.ReplicaBucket: is missing"]),
        ({"parameters": {}}, ["storage.DocumentsBucket: is missing", "storage.FilesBucket: is missing"]),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, changes: Document, messages: list[str]) -> None:
    with pytest.raises(DeploymentError) as caught:
        load_environment(tmp_path, read_environment() | changes)
    for message in ["dev.yaml is wrong", *messages]:
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("stack", "parameters", "message"),
    [
        ("netwrok", {}, "parameters.netwrok: there is no stack netwrok. Did you mean network?"),
        ("network", {"NatGateway": "one"}, "network.yaml has no such parameter. Did you mean NatGateways?"),
        ("network", {"NatGateways": "two"}, "NatGateways: must be one of one, per-zone, not 'two'"),
        ("network", {"FlowLogDays": 8}, "FlowLogDays: must be one of 7, 14, 30"),
        ("network", {"LoadBalancerPrefixList": "cloudfront"}, "LoadBalancerPrefixList: must match"),
        ("network", {"ClusterName": "mine"}, "ClusterName: is derived from the other fields"),
        ("network", {"VpcCidr": "10.0.0.0/33"}, "parameters.network.VpcCidr: '10.0.0.0/33'"),
        ("network", {"VpcCidr": "10.1.0.0/16"}, "the subnet 10.0.1.0/24 is not in the VPC, 10.1.0.0/16"),
        ("network", {"DataCidrs": ["10.0.10.0/24", "10.0.21.0/24"]}, "10.0.10.0/24 and 10.0.10.0/24 overlap"),
        ("storage", {"DocumentsBucket": "Documents"}, "DocumentsBucket: must match"),
        ("storage", {"FilesBucket": "digital-twin-docs-dev"}, "is the name of two buckets"),
        ("storage", {"LogDays": 0}, "LogDays: must be at least 1"),
        ("network", {"VpcCidr": "10.0.0.0/8"}, "VpcCidr: 10.0.0.0/8 must be a network between /16 and /28"),
        ("network", {"VpcCidr": "10.0.0.0/29"}, "VpcCidr: 10.0.0.0/29 must be a network between /16 and /28"),
        ("network", {"VpcCidr": "52.1.0.0/16"}, "VpcCidr: 52.1.0.0/16 must be within"),
        ("network", {"VpcCidr": "fd00::/64"}, "VpcCidr: fd00::/64 must be a network of IPv4"),
        ("network", {"AppCidrs": "10.0.10.0/24"}, "AppCidrs: must be two subnets, one in each zone, not 1"),
        (
            "network",
            {"DataCidrs": ["10.0.20.0/24", "10.0.21.0/24", "10.0.22.0/24"]},
            "DataCidrs: must be two subnets, one in each zone, not 3",
        ),
        ("network", {"Zones": ["us-east-1a"]}, "Zones: must match"),
        ("network", {"Zones": ["us-east-1a", "us-east-1a"]}, "Zones: must be two different zones"),
        ("network", {"Zones": ["us-east-1a", "us-west-2b"]}, "Zones: us-west-2b is no name of a zone in us-"),
        ("network", {"Zones": ["use1-az1", "use1-az2"]}, "Zones: use1-az1 is no name of a zone in us-east-1"),
        ("network", {"PublicCidrs": ""}, "PublicCidrs: must be two subnets"),
        (
            "network",
            {"AppCidrs": ["10.0.10.0/28", "10.0.11.0/28"]},
            "AppCidrs: 10.0.10.0/28 must not be smaller than /25, because each pod has an address in them",
        ),
        ("network", {"PublicCidrs": ["10.0.1.0/28", "10.0.2.0/28"]}, "PublicCidrs: 10.0.1.0/28 must not be"),
        ("network", {"DataCidrs": ["10.0.20.0/29", "10.0.21.0/29"]}, "DataCidrs: 10.0.20.0/29 must not be"),
        (
            "network",
            {"LoadBalancerPrefixList": "pl-4fa04526"},
            "pl-4fa04526 is CloudFront's prefix list in eu-west-1, but region is us-east-1",
        ),
        ("data", {"DatabaseStorage": 200}, "MaxDatabaseStorage: must be at least 220, 10 % more than"),
        ("data", {"MaxDatabaseStorage": 32, "DatabaseStorage": 30}, "must be at least 33"),
        ("data", {"DatabaseStorage": 95}, "MaxDatabaseStorage: must be at least 105"),
        ("data", {"DatabaseClass": "db.t4g.mikro"}, "DatabaseClass: db.t4g.mikro has no size"),
        ("data", {"DatabaseClass": "db.r77g.large"}, "DatabaseClass: db.r77g.large has no family"),
        ("data", {"CacheNodeType": "cache.t4g.smal"}, "CacheNodeType: cache.t4g.smal has no size"),
        ("storage", {"DocumentsBucket": "xn--documents"}, "DocumentsBucket: must not begin with xn--"),
        ("storage", {"FilesBucket": "sthree-files"}, "FilesBucket: must not begin with sthree-"),
        ("storage", {"LogsBucket": "amzn-s3-demo-logs"}, "LogsBucket: must not begin with amzn-s3-demo-"),
        ("storage", {"LogsBucket": "logs-s3alias"}, "LogsBucket: must not end with -s3alias"),
        ("storage", {"LogsBucket": "logs--x-s3"}, "LogsBucket: must not end with --x-s3"),
        ("deployer", {"PipelineBucket": "re..leases"}, "PipelineBucket: must not contain two adjacent dots"),
        ("deployer", {"PipelineBucket": "10.0.0.1"}, "PipelineBucket: must not be an IP address"),
        ("network", {"Host": "chat.example.com"}, "Host: is derived from the other fields"),
        ("identity", {"Namespace": "rag"}, "parameters.identity.Namespace: is derived from the other fields"),
        ("observability", {"Release": "blue"}, "Release: is derived from the other fields"),
        ("backup", {"Namespace": "rag"}, "parameters.backup.Namespace: is derived from the other fields"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(tmp_path: Path, stack: str, parameters: Document, message: str) -> None:
    document = read_environment()
    document["parameters"].setdefault(stack, {}).update(parameters)
    with pytest.raises(DeploymentError, match=r"dev\.yaml is wrong") as caught:
        load_environment(tmp_path, document)
    assert message in str(caught.value)


ROLE = "arn:aws:iam::111122223333:role/engineers"


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        (
            {"version": "1.31"},
            "cluster.version: 1.31 is no version of EKS that this release knows: these are 1.32 to 1.36",
        ),
        ({"version": "1.99"}, "cluster.version: 1.99 is no version of EKS that this release knows"),
        ({"version": "1.36.1"}, "cluster.version: "),
        ({"version": "2.0"}, "cluster.version: "),
        ({"logDays": 45}, "cluster.logDays: "),
        ({"logDays": 0}, "cluster.logDays: "),
        ({"administrators": [ROLE, ROLE]}, f"cluster.administrators: {ROLE} is listed twice"),
        ({"administrators": ["arn:aws-cn:iam::111122223333:role/a"]}, "cluster.administrators.0: "),
        ({"administrators": ["arn:aws:iam::111122223333:user/a"]}, "cluster.administrators.0: "),
        ({"apiCidrs": ["0.0.0.0/0"]}, "cluster.apiCidrs: 0.0.0.0/0 is a large part of the internet"),
        ({"apiCidrs": ["128.0.0.0/1"]}, "cluster.apiCidrs: 128.0.0.0/1 is a large part of the internet"),
        ({"apiCidrs": ["10.1.0.0/16"]}, "cluster.apiCidrs: 10.1.0.0/16 is private"),
        ({"apiCidrs": ["::/0"]}, "cluster.apiCidrs: ::/0 must be a network of IPv4"),
        ({"apiCidrs": ["198.51.100.0/24"] * 2}, "cluster.apiCidrs: 198.51.100.0/24 is listed twice"),
        (
            {"generalNodes": {"instanceTypes": ["m7i2xlarge"]}},
            "instanceTypes: 'm7i2xlarge' is no instance type",
        ),
        ({"generalNodes": {"instanceTypes": ["m7i.2xlrge"]}}, "Did you mean m7i.2xlarge?"),
        (
            {"qdrantNodes": {"instanceTypes": ["r7g.large", "r7i.large"]}},
            "cluster.qdrantNodes.instanceTypes: r7g.large have arm64 processors, but r7i.large have x86",
        ),
    ],
)
def test_a_wrong_setting_of_the_cluster_is_named(tmp_path: Path, cluster: Document, message: str) -> None:
    document = read_environment()
    document["cluster"] |= cluster
    with pytest.raises(DeploymentError, match=r"dev\.yaml is wrong") as caught:
        load_environment(tmp_path, document)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "cluster",
    [
        {"generalNodes": {"instanceTypes": ["r8g.metal-24xl", "m9g.large", "im4gn.large"]}},
        {"generalNodes": {"instanceTypes": ["m8i-flex.large", "g4dn.xlarge", "g6f.large"]}},
        # EKS accepts administrators of other accounts, for example of one for people.
        {"administrators": [ROLE, "arn:aws:iam::444455556666:role/path/engineers"]},
    ],
)
def test_right_settings_of_the_cluster_are_accepted(tmp_path: Path, cluster: Document) -> None:
    document = read_environment()
    document["cluster"] |= cluster
    load_environment(tmp_path, document | {"account": "111122223333"})


def test_an_address_without_a_prefix_becomes_a_network_for_eks(tmp_path: Path) -> None:
    document = read_environment()
    document["cluster"]["apiCidrs"] = ["198.51.100.7"]
    assert load_environment(tmp_path, document).cluster.api_cidrs == ["198.51.100.7/32"]


@pytest.mark.parametrize("name", ["dev-", "dev--eu", "production-of-europe", "Dev", "1dev", "dev_eu"])
def test_a_wrong_name_is_the_name_of_the_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        DeploymentError, match=rf"name of the file .*{name}\.yaml is the name of its environment"
    ):
        load_environment(tmp_path, read_environment(), name)


def test_a_field_with_the_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="name is the name of the file"):
        load_environment(tmp_path, read_environment() | {"name": "dev"})


def test_another_bucket_of_the_pipeline_is_refused(tmp_path: Path) -> None:
    document = read_environment("prod")
    pipeline = {"Repository": "owner/name", "DevAccount": "111122223333", "StagingAccount": "222233334444"}
    document["parameters"] |= {
        "deployer": {"PipelineAccount": "333344445555", "PipelineBucket": "releases-of-us"},
        "pipeline": {**pipeline, "PipelineBucket": "releases"},
    }
    with pytest.raises(
        DeploymentError, match=r"deployer\.PipelineBucket: must be the bucket of the pipeline"
    ):
        load_environment(tmp_path, document, "prod")


@pytest.mark.parametrize(
    ("stack", "parameters", "field"),
    [
        ("edge", {"DeletionProtection": False}, "edge"),
        ("web-acl-global", {"RequestsPerAddress": 500}, "edge"),
        ("dns", {"Failover": "primary"}, "edge"),
        ("replica", {"ReplicaBucket": "copies"}, "replicaRegion"),
    ],
)
def test_parameters_of_a_stack_that_is_left_out_are_refused(
    tmp_path: Path, stack: str, parameters: Document, field: str
) -> None:
    document = read_environment()
    document["parameters"][stack] = parameters
    with pytest.raises(DeploymentError) as caught:
        load_environment(tmp_path, document)
    message = (
        f"parameters.{stack}: has no effect, because {field} is not set. Set it, or remove the parameters"
    )
    assert message in str(caught.value)


def test_all_faults_are_listed_together(tmp_path: Path) -> None:
    document = read_environment()
    document["parameters"]["network"] |= {"NatGateways": "two", "FlowLogDays": 8}
    with pytest.raises(DeploymentError) as caught:
        load_environment(tmp_path, document)
    assert "NatGateways" in str(caught.value)
    assert "FlowLogDays" in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a list", "a: [", "just text"])
def test_a_file_that_is_no_environment_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "dev.yaml"
    file.write_text(text)
    with pytest.raises(DeploymentError, match=r"dev\.yaml"):
        Environment.load(file)


def test_an_unknown_environment_is_answered_with_the_known_ones() -> None:
    with pytest.raises(DeploymentError, match=r"no environment 'production'.*dev, prod, small, staging"):
        find_environment("production")


def test_an_environment_can_be_a_file_outside_of_the_repository(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.touch()
    assert find_environment(str(file)) == file
