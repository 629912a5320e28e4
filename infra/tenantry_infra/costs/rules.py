"""Table of what costs: a rule for each type of resource in the templates.

A new type of resource needs a line in ``RULES``: the prices that one resource of it has, or ``FREE``. What
its use costs is a line in ``USES``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["FREE", "RULES", "USES", "Charge", "Rule", "Use"]


@dataclass(frozen=True)
class Charge:
    """A charge in each month.

    Parameters
    ----------
    price
        Name of the price.
    count
        Number of things that have the price: two for two NAT gateways, 50 for 50 GB.
    """

    price: str
    count: float = 1


Rule = Callable[[Mapping[str, Any]], Iterable[Charge]]
"""Returns the charges of a resource with the given properties."""


def apply(*prices: str) -> Rule:
    """Return a rule: each resource has these prices once."""
    return lambda _: [Charge(price) for price in prices]


FREE = apply()
"""Rule of resources that cost nothing, or of which only the use costs."""


def _list_endpoint_charges(properties: Mapping[str, Any]) -> Iterable[Charge]:
    if properties["VpcEndpointType"] == "Interface":
        yield Charge("interface-endpoint", len(properties["SubnetIds"]))


def _list_database_charges(properties: Mapping[str, Any]) -> Iterable[Charge]:
    copies = 2 if str(properties["MultiAZ"]).lower() == "true" else 1
    yield Charge(properties["DBInstanceClass"], copies)
    yield Charge("db-storage", copies * float(properties["AllocatedStorage"]))
    if properties.get("ManageMasterUserPassword"):
        yield Charge("secret")


def _list_cache_charges(properties: Mapping[str, Any]) -> Iterable[Charge]:
    yield Charge(properties["CacheNodeType"], float(properties["NumCacheClusters"]))


def _list_load_balancer_charges(properties: Mapping[str, Any]) -> Iterable[Charge]:
    yield Charge("load-balancer")
    yield Charge("load-balancer-capacity")
    if properties.get("Scheme") != "internal":
        yield Charge("public-ipv4", 2)


def _list_web_acl_charges(properties: Mapping[str, Any]) -> Iterable[Charge]:
    yield Charge("web-acl")
    yield Charge("web-acl-rule", len(properties.get("Rules", ())))


RULES: Mapping[str, Rule] = {
    "AWS::Backup::BackupPlan": FREE,
    "AWS::Backup::BackupSelection": FREE,
    "AWS::Backup::BackupVault": FREE,
    "AWS::Budgets::Budget": FREE,
    "AWS::CertificateManager::Certificate": FREE,
    "AWS::CloudFront::CachePolicy": FREE,
    "AWS::CloudFront::Distribution": FREE,
    "AWS::CloudFront::Function": FREE,
    "AWS::CloudFront::OriginRequestPolicy": FREE,
    "AWS::CloudFront::ResponseHeadersPolicy": FREE,
    "AWS::CloudWatch::Alarm": apply("alarm"),
    "AWS::CloudWatch::CompositeAlarm": apply("composite-alarm"),
    "AWS::CloudWatch::Dashboard": apply("dashboard"),
    "AWS::CodeBuild::Project": FREE,
    "AWS::CodePipeline::Pipeline": FREE,
    "AWS::EC2::EIP": apply("public-ipv4"),
    "AWS::EC2::FlowLog": FREE,
    "AWS::EC2::InternetGateway": FREE,
    "AWS::EC2::NatGateway": apply("nat-gateway"),
    "AWS::EC2::Route": FREE,
    "AWS::EC2::RouteTable": FREE,
    "AWS::EC2::SecurityGroup": FREE,
    "AWS::EC2::SecurityGroupIngress": FREE,
    "AWS::EC2::Subnet": FREE,
    "AWS::EC2::SubnetRouteTableAssociation": FREE,
    "AWS::EC2::VPC": FREE,
    "AWS::EC2::VPCEndpoint": _list_endpoint_charges,
    "AWS::EC2::VPCGatewayAttachment": FREE,
    "AWS::ECR::ReplicationConfiguration": FREE,
    "AWS::ECR::Repository": FREE,
    "AWS::ElastiCache::ParameterGroup": FREE,
    "AWS::ElastiCache::ReplicationGroup": _list_cache_charges,
    "AWS::ElastiCache::SubnetGroup": FREE,
    "AWS::ElastiCache::User": FREE,
    "AWS::ElastiCache::UserGroup": FREE,
    "AWS::ElasticLoadBalancingV2::Listener": FREE,
    "AWS::ElasticLoadBalancingV2::ListenerRule": FREE,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _list_load_balancer_charges,
    "AWS::ElasticLoadBalancingV2::TargetGroup": FREE,
    "AWS::Events::Rule": FREE,
    "AWS::IAM::ManagedPolicy": FREE,
    "AWS::IAM::OIDCProvider": FREE,
    "AWS::IAM::Role": FREE,
    "AWS::KMS::Alias": FREE,
    "AWS::KMS::Key": apply("kms-key"),
    "AWS::Logs::Delivery": FREE,
    "AWS::Logs::DeliveryDestination": FREE,
    "AWS::Logs::DeliverySource": FREE,
    "AWS::Logs::LogGroup": FREE,
    "AWS::RDS::DBInstance": _list_database_charges,
    "AWS::RDS::DBParameterGroup": FREE,
    "AWS::RDS::DBSubnetGroup": FREE,
    "AWS::Route53::HealthCheck": apply("health-check"),
    "AWS::Route53::RecordSet": FREE,
    "AWS::S3::Bucket": FREE,
    "AWS::S3::BucketPolicy": FREE,
    "AWS::SNS::Subscription": FREE,
    "AWS::SNS::Topic": FREE,
    "AWS::SNS::TopicPolicy": FREE,
    "AWS::SecretsManager::Secret": apply("secret"),
    "AWS::WAFv2::LoggingConfiguration": FREE,
    "AWS::WAFv2::WebACL": _list_web_acl_charges,
    "AWS::WAFv2::WebACLAssociation": FREE,
}
"""Rules by type of resource."""


@dataclass(frozen=True)
class Use:
    """Charge for the use of a stack.

    Parameters
    ----------
    stack
        Stack to which the charge belongs. It is charged if the environment has the stack.
    price
        Name of the price.
    field
        Field of the expected use that is the quantity.
    per
        Units for each unit of that field.
    """

    stack: str
    price: str
    field: str
    per: float = 1


USES = (
    Use("network", "nat-data", "traffic_gb"),
    Use("network", "log-ingestion", "flow_logs_gb"),
    Use("network", "egress", "traffic_gb"),
    Use("storage", "s3-standard", "documents_gb"),
    Use("replica", "s3-standard", "documents_gb"),
    Use("registry", "ecr", "images_gb"),
    Use("backup", "backup", "backup_gb"),
    Use("observability", "metric", "metrics"),
    Use("deployer", "build-minute", "deployments", per=30),
    Use("pipeline", "pipeline-minute", "deployments", per=90),
    Use("cluster", "log-ingestion", "logs_gb"),
)
"""Charges for use."""
