"""Tests of eksctl's file of the cluster, with eksctl's own schema."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from file_sync import cloudwatch as of_file_sync
from jsonschema import Draft7Validator
from servicekit.cloudwatch import MetricWriter
from tenantry_infra.chart_values import CLUSTER_VALUES
from tenantry_infra.cluster_config import build_cluster_config, build_node_pool
from tenantry_infra.environment import MAX_RELEASE_LENGTH, Environment, find_environment
from tenantry_infra.errors import DeploymentError
from tenantry_infra.stacks import INFRA, STACKS

from tests.support.charts.rendering import PROFILES, render
from tools.identity_template import PODS
from tools.linters import eksctl

SETTING = re.compile(r"^ *(\S+) +(\S.*?) *$", re.MULTILINE)
"""A line of Fluent Bit's configuration."""

NAMES = ("dev", "small", "staging", "prod")
ADMINISTRATORS = "arn:aws:iam::123456789012:role/platform-engineers"
POD_IDENTITY_AGENT = "169.254.170.23"
OUTPUTS = {
    "network": {
        "VpcId": "vpc-1",
        "Zones": "us-east-1a,us-east-1b",
        "AppSubnets": "subnet-a1,subnet-a2",
        "PublicSubnets": "subnet-p1,subnet-p2",
        "ApiSecurityGroup": "sg-api",
        "ClusterSecurityGroup": "sg-1",
    },
    "keys": {"ClusterKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1"},
    "identity": {
        f"{resource}RoleArn": f"arn:aws:iam::123456789012:role/tenantry-{name}"
        for name, resource in PODS.items()
    },
}


def load_environment(
    folder: Path, name: str = "prod", *, fields: dict[str, Any] | None = None, **cluster: Any
) -> Environment:
    document = yaml.safe_load(find_environment(name).read_text()) | (fields or {})
    document["cluster"] |= {"administrators": [ADMINISTRATORS], **cluster}
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(document))
    return Environment.load(file)


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    return build_cluster_config(load_environment(tmp_path), OUTPUTS)


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    return Draft7Validator(eksctl.load_schema())


def list_faults(validator: Draft7Validator, config: dict[str, Any]) -> list[str]:
    # As eksctl reads it: a file, whose texts have quotes where they need them.
    document = yaml.safe_load(yaml.safe_dump(config))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "cluster",
    [
        pytest.param({}, id="private"),
        pytest.param({"apiCidrs": ["198.51.100.0/24"]}, id="public"),
        pytest.param({"karpenterVersion": "1.8.1"}, id="karpenter"),
    ],
)
def test_eksctl_accepts_the_cluster(
    tmp_path: Path, validator: Draft7Validator, name: str, cluster: dict[str, Any]
) -> None:
    config = build_cluster_config(load_environment(tmp_path, name, **cluster), OUTPUTS)
    assert list_faults(validator, config) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("vpc", "clusterEndpoint"), {}),
        (("metadata", "version"), 1.36),
        (("managedNodeGroups", 0, "minSize"), "2"),
        (("iam", "podIdentityAssociations", 0, "roleArn"), "arn:aws:iam::1:role/x"),
    ],
)
def test_eksctls_schema_refuses_a_fault(
    config: dict[str, Any], validator: Draft7Validator, path: tuple[Any, ...], value: Any
) -> None:
    node: Any = config
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    assert list_faults(validator, config)


def test_no_variable_remains(config: dict[str, Any]) -> None:
    assert "${" not in yaml.safe_dump(config)


def test_the_cluster_uses_the_stacks_network(config: dict[str, Any]) -> None:
    assert config["vpc"]["id"] == "vpc-1"
    assert config["vpc"]["subnets"] == {
        "private": {"us-east-1a": {"id": "subnet-a1"}, "us-east-1b": {"id": "subnet-a2"}},
        "public": {"us-east-1a": {"id": "subnet-p1"}, "us-east-1b": {"id": "subnet-p2"}},
    }
    assert config["kubernetesNetworkConfig"] == {"serviceIPv4CIDR": "172.20.0.0/16"}


def test_the_api_server_has_a_public_endpoint_only_for_named_addresses(tmp_path: Path) -> None:
    private = build_cluster_config(load_environment(tmp_path), OUTPUTS)["vpc"]
    assert private["clusterEndpoints"] == {"privateAccess": True, "publicAccess": False}
    public = build_cluster_config(load_environment(tmp_path, apiCidrs=["198.51.100.0/24"]), OUTPUTS)["vpc"]
    assert public["clusterEndpoints"] == {"privateAccess": True, "publicAccess": True}
    assert public["publicAccessCIDRs"] == ["198.51.100.0/24"]


def test_the_api_server_admits_machines_in_the_vpc(config: dict[str, Any]) -> None:
    assert config["vpc"]["controlPlaneSecurityGroupIDs"] == ["sg-api"]


def test_the_pipeline_administers_the_cluster_only_where_there_is_one(tmp_path: Path) -> None:
    def list_principals(outputs: dict[str, dict[str, str]]) -> list[str]:
        config = build_cluster_config(load_environment(tmp_path), outputs)
        return [entry["principalARN"] for entry in config["accessConfig"]["accessEntries"]]

    role = "arn:aws:iam::123456789012:role/tenantry-deploy"
    assert list_principals(OUTPUTS) == [ADMINISTRATORS]
    assert list_principals({**OUTPUTS, "deployer": {"DeployRoleArn": role}}) == [ADMINISTRATORS, role]


def test_secrets_are_encrypted_and_all_logs_are_kept(config: dict[str, Any]) -> None:
    assert config["secretsEncryption"] == {"keyARN": OUTPUTS["keys"]["ClusterKeyArn"]}
    logging = config["cloudWatch"]["clusterLogging"]
    assert set(logging["enableTypes"]) == {
        "api", "audit", "authenticator", "controllerManager", "scheduler"
    }  # fmt: skip
    assert logging["logRetentionInDays"] == 90


def test_nodes_are_private_encrypted_and_lend_no_role_to_pods(config: dict[str, Any]) -> None:
    for group in config["managedNodeGroups"]:
        assert group["privateNetworking"], group["name"]
        assert (group["volumeType"], group["volumeEncrypted"]) == ("gp3", True)
        assert group["disableIMDSv1"]
        assert group["disablePodIMDS"]
        assert group["securityGroups"] == {"attachIDs": ["sg-1"]}


def test_qdrant_has_a_tainted_group_in_each_zone(config: dict[str, Any]) -> None:
    general, *qdrant = config["managedNodeGroups"]
    assert "taints" not in general
    assert general["availabilityZones"] == ["us-east-1a", "us-east-1b"]
    assert [group["availabilityZones"] for group in qdrant] == [["us-east-1a"], ["us-east-1b"]]
    for group in qdrant:
        assert group["taints"] == [{"key": "tenantry.io/nodes", "value": "qdrant", "effect": "NoSchedule"}]
        assert group["labels"] == {"tenantry.io/nodes": "qdrant"}


def test_the_charts_values_place_qdrant_on_its_groups(config: dict[str, Any]) -> None:
    for group in config["managedNodeGroups"][1:]:
        assert group["labels"] == CLUSTER_VALUES["qdrant.nodeSelector"]
        assert group["taints"] == CLUSTER_VALUES["qdrant.tolerations"]
    storage = yaml.safe_load((INFRA / "eksctl" / "storage-class.yaml").read_text())
    assert storage["metadata"]["name"] == CLUSTER_VALUES["qdrant.storage.class"]


def test_each_needed_addon_is_installed(config: dict[str, Any]) -> None:
    addons = {addon["name"]: addon for addon in config["addons"]}
    assert addons.keys() == {
        "vpc-cni", "coredns", "kube-proxy", "aws-ebs-csi-driver", "eks-pod-identity-agent", "metrics-server",
        "amazon-cloudwatch-observability", "aws-secrets-store-csi-driver-provider",
    }  # fmt: skip
    settings = yaml.safe_load(addons["vpc-cni"]["configurationValues"])
    assert settings["enableNetworkPolicy"] == "true"


def test_the_logs_with_metrics_reach_cloudwatch_unchanged(config: dict[str, Any]) -> None:
    """The add-on's own configuration wraps each line, and CloudWatch finds no metrics in the records."""
    (addon,) = (each for each in config["addons"] if each["name"] == "amazon-cloudwatch-observability")
    settings = yaml.safe_load(addon["configurationValues"])
    file = settings["containerLogs"]["fluentBit"]["config"]["extraFiles"]["tenantry-metrics.conf"]
    sections = [dict(SETTING.findall(section)) for section in file.split("[")[1:]]
    read, select, send = sections
    assert select["Match"] == send["Match"] == read["Tag"]

    for service in ("gateway", "file-sync"):
        (container,) = dict(render("values-eks-prod.yaml").iter_pods())[service]["spec"]["containers"]
        log = f"/var/log/containers/tenantry-{service}-6b7-x2x_tenantry_{container['name']}-0a1b.log"
        assert sum(fnmatch(log, pattern) for pattern in read["Path"].split(", ")) == 1
    assert not any(
        fnmatch("/var/log/containers/x_other_gateway-1.log", each) for each in read["Path"].split(", ")
    )

    key, _, pattern = select["Regex"].partition(" ")
    assert key == send["log_key"] == "log"
    lines: list[str] = []
    MetricWriter(of_file_sync.METRICS, {"Release": "tenantry"}, lines.append).write()
    assert [line for line in [*lines, '{"event":"{\\"_aws\\":"}'] if re.search(pattern, line)] == lines
    assert (send["log_format"], send["region"]) == ("json/emf", "us-east-1")
    assert send["log_group_name"] == "/aws/containerinsights/tenantry-prod/tenantry"


def test_the_add_on_has_the_metrics_of_the_alarms_and_changes_no_pods(config: dict[str, Any]) -> None:
    (addon,) = (each for each in config["addons"] if each["name"] == "amazon-cloudwatch-observability")
    settings = yaml.safe_load(addon["configurationValues"])
    assert settings["containerInsights"] == {"enabled": True}
    assert settings["otelContainerInsights"]["enabled"] is False
    assert settings["applicationSignals"] == {"enabled": False}


def list_aws_accounts(profile: str, name: str = "tenantry") -> set[str]:
    """Return the ServiceAccounts whose pods can connect to the Pod Identity agent."""
    release = render(profile, release=name, namespace="tenantry")
    clients = [
        policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
        for policy in release.list_objects("NetworkPolicy")
        if POD_IDENTITY_AGENT in json.dumps(policy["spec"])
    ]
    assert clients
    return {pod["spec"]["serviceAccountName"] for name, pod in release.iter_pods() if name in clients}


def list_associations(config: dict[str, Any], namespace: str) -> dict[str, dict[str, Any]]:
    """Return the Pod Identity associations of a namespace by ServiceAccount."""
    return {
        each["serviceAccountName"]: each
        for each in config["iam"]["podIdentityAssociations"]
        if each["namespace"] == namespace
    }


@pytest.mark.parametrize("profile", [each for each in PROFILES if each.startswith("values-eks-")])
def test_each_service_account_that_calls_aws_has_an_association(config: dict[str, Any], profile: str) -> None:
    assert list_aws_accounts(profile) <= list_associations(config, "tenantry").keys()


def test_each_association_is_for_a_service_account_that_calls_aws(config: dict[str, Any]) -> None:
    associations = list_associations(config, "tenantry")
    assert associations.keys() == list_aws_accounts("values-eks-prod.yaml")
    # The trust policy of each role names one account, so the pairs must be those of the stack identity.
    assert {name: each["roleARN"] for name, each in associations.items()} == {
        f"tenantry-{name}": OUTPUTS["identity"][f"{resource}RoleArn"] for name, resource in PODS.items()
    }


def test_the_cluster_and_the_stacks_name_one_release(tmp_path: Path) -> None:
    environment = load_environment(tmp_path, fields={"namespace": "rag", "release": "blue"})
    config = build_cluster_config(environment, OUTPUTS)
    assert list_associations(config, "rag").keys() == {f"blue-{name}" for name in PODS}
    assert "*_rag_gateway-*.log" in json.dumps(config)
    found = {
        (name, parameters[name])
        for stack in STACKS
        for parameters in [environment.get_parameters(stack)]
        for name in stack.template.parameters
        if name.endswith(("Namespace", "Release"))
    }
    assert found == {("Namespace", "rag"), ("Release", "blue")}


def test_a_release_whose_names_the_chart_shortens_is_refused(tmp_path: Path) -> None:
    longest = "a" * MAX_RELEASE_LENGTH
    config = build_cluster_config(load_environment(tmp_path, fields={"release": longest}), OUTPUTS)
    accounts = list_aws_accounts("values-eks-prod.yaml", longest)
    assert list_associations(config, "tenantry").keys() == accounts
    with pytest.raises(DeploymentError, match=f"release: .*{MAX_RELEASE_LENGTH} characters"):
        load_environment(tmp_path, fields={"release": f"{longest}a"})


def test_each_controller_that_calls_aws_has_an_association(config: dict[str, Any]) -> None:
    assert list_associations(config, "kube-system").keys() == {"aws-load-balancer-controller"}
    with_default = {
        each["name"] for each in config["addons"] if each.get("useDefaultPodIdentityAssociations")
    }
    assert with_default == {"vpc-cni", "aws-ebs-csi-driver", "amazon-cloudwatch-observability"}


def test_karpenter_is_optional(tmp_path: Path) -> None:
    without = build_cluster_config(load_environment(tmp_path), OUTPUTS)
    assert "karpenter" not in without
    environment = load_environment(tmp_path, karpenterVersion="1.8.1")
    assert build_cluster_config(environment, OUTPUTS)["karpenter"]["version"] == "1.8.1"
    node_class, pool = build_node_pool(environment)
    assert node_class["spec"]["role"] == "eksctl-KarpenterNodeRole-tenantry-prod"
    assert pool["spec"]["template"]["metadata"]["labels"] == {"tenantry.io/nodes": "general"}


def test_a_cluster_without_administrators_is_refused(tmp_path: Path) -> None:
    environment = load_environment(tmp_path, administrators=[])
    with pytest.raises(DeploymentError, match="names no administrators"):
        build_cluster_config(environment, OUTPUTS)


def test_a_missing_stack_is_named_by_its_output(tmp_path: Path) -> None:
    outputs = {name: values for name, values in OUTPUTS.items() if name != "identity"}
    with pytest.raises(DeploymentError, match=r"no output OperatorRoleArn yet.*make aws-up"):
        build_cluster_config(load_environment(tmp_path), outputs)


def test_the_default_storage_class_encrypts_volumes() -> None:
    storage = yaml.safe_load((INFRA / "eksctl" / "storage-class.yaml").read_text())
    assert storage["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
    assert storage["parameters"] == {"type": "gp3", "encrypted": "true"}
    assert storage["volumeBindingMode"] == "WaitForFirstConsumer"
