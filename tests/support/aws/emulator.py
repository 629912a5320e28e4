"""ministack with more types of resources in CloudFormation: ``python -m tests.support.aws.emulator``.

Its services have NAT gateways, flow logs, health checks and more, but its CloudFormation cannot create them.
:data:`ADDED_TYPES` connects both. Databases get the ARN of a secret that RDS would manage, and conditions can
name the region.
Two accounts are special: :data:`SLOW_ACCOUNT` and :data:`FAILING_ACCOUNT`.
"""

import time
from collections.abc import Callable
from typing import Any

__all__ = ["ADDED_TYPES", "FAILING_ACCOUNT", "FORMULA", "PLACEHOLDER_TYPES", "SLOW_ACCOUNT", "main"]

FAILING_ACCOUNT = "555555555555"
"""Account in which the creation of a NAT gateway fails."""

SLOW_ACCOUNT, SLOW_SECONDS = "444444444444", 3
"""Account in which the creation of a flow log takes some seconds."""

ADDED_TYPES = (
    "AWS::Backup::BackupSelection",
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::EC2::EIP",
    "AWS::EC2::FlowLog",
    "AWS::EC2::NatGateway",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::IAM::OIDCProvider",
    "AWS::Logs::Delivery",
    "AWS::Logs::DeliveryDestination",
    "AWS::Logs::DeliverySource",
    "AWS::Route53::HealthCheck",
    "AWS::WAFv2::WebACLAssociation",
)
"""Types that are created in the emulator's services."""

FORMULA = "(formula)"
"""Name and namespace of the metric of an alarm with a formula, which the emulator does not evaluate."""

PLACEHOLDER_TYPES = (
    "AWS::CodePipeline::Pipeline",
    "AWS::ECR::ReplicationConfiguration",
    "AWS::WAFv2::LoggingConfiguration",
)
"""Types that the emulator has in no service. Their templates are tested, and the pipeline in moto."""

Properties = dict[str, Any]
Created = tuple[str, dict[str, Any]]


def main() -> None:
    """Run ministack with more types, in the foreground."""
    from ministack import app  # noqa: PLC0415 (reads its settings from the environment)
    from ministack.core.responses import get_account_id, get_region  # noqa: PLC0415
    from ministack.services import (  # noqa: PLC0415
        backup,
        budgets,
        cloudwatch,
        cloudwatch_logs,
        ec2,
        iam,
        route53,
        waf,
    )
    from ministack.services.cloudformation import changesets, provisioners, stacks  # noqa: PLC0415

    handlers: dict[str, dict[str, Any]] = provisioners._RESOURCE_HANDLERS

    def create_address(_name: str, _properties: Properties, _stack: str) -> Created:
        (address,) = create_record(ec2._addresses, ec2._allocate_address, {"Domain": ["vpc"]})
        return ec2._addresses[address]["PublicIp"], {"AllocationId": address}

    def create_nat_gateway(_name: str, properties: Properties, _stack: str) -> Created:
        parameters = {key: [properties[key]] for key in ("SubnetId", "AllocationId")}
        (gateway,) = create_record(ec2._nat_gateways, ec2._create_nat_gateway, parameters)
        return gateway, {"NatGatewayId": gateway}

    def create_flow_log(_name: str, properties: Properties, _stack: str) -> Created:
        names = ("ResourceType", "TrafficType", "LogDestinationType", "LogGroupName")
        parameters = {key: [properties[key]] for key in names} | {"ResourceId.1": [properties["ResourceId"]]}
        (flow_log,) = create_record(ec2._flow_logs, ec2._create_flow_logs, parameters)
        return flow_log, {"Id": flow_log}

    def create_selection(_name: str, properties: Properties, _stack: str) -> Created:
        body = {"BackupSelection": properties["BackupSelection"]}
        (selection,) = create_record(
            backup._selections, lambda _: backup._create_selection(properties["BackupPlanId"], body), None
        )
        return selection, {"Id": selection, "SelectionId": selection}

    def delete_selection(selection: str, _properties: Properties) -> None:
        backup._selections.pop(selection, None)

    def create_budget(_name: str, properties: Properties, _stack: str) -> Created:
        status, _, answer = budgets._create_budget(properties)
        if status != 200:
            raise ValueError(answer)
        return properties["Budget"]["BudgetName"], {}

    def delete_budget(name: str, _properties: Properties) -> None:
        budgets._delete_budget({"BudgetName": name})

    def create_composite_alarm(_name: str, properties: Properties, _stack: str) -> Created:
        status, _, answer = cloudwatch._put_composite_alarm({}, properties, is_cbor=False, is_json=True)
        if status != 200:
            raise ValueError(answer)
        return properties["AlarmName"], {}

    def update_composite_alarm(_alarm: str, _: Properties, properties: Properties, stack: str) -> Created:
        return create_composite_alarm("", properties, stack)

    def delete_composite_alarm(alarm: str, _properties: Properties) -> None:
        cloudwatch._composite_alarms.pop(alarm, None)

    def create_ingress(name: str, properties: Properties, _stack: str) -> Created:
        group = ec2._security_groups[properties["GroupId"]]
        group["IpPermissions"] += provisioners._ec2_sg_permissions([properties])
        return name, {"Id": name}

    def create_provider(_name: str, properties: Properties, _stack: str) -> Created:
        clients = {f"ClientIDList.member.{n}": [each] for n, each in enumerate(properties["ClientIdList"], 1)}
        parameters = {"Url": [properties["Url"]], **clients}
        (provider,) = create_record(iam._oidc_providers, iam._create_oidc_provider, parameters)
        return provider, {"Arn": provider}

    def delete_provider(provider: str, _properties: Properties) -> None:
        iam._oidc_providers.pop(provider, None)

    def create_delivery_source(_name: str, properties: Properties, _stack: str) -> Created:
        names = {"name": "Name", "resourceArn": "ResourceArn", "logType": "LogType"}
        (source,) = create_record(
            cloudwatch_logs._delivery_sources,
            cloudwatch_logs._put_delivery_source,
            {key: properties[name] for key, name in names.items()},
        )
        return source, {}

    def create_delivery_destination(_name: str, properties: Properties, _stack: str) -> Created:
        request = {
            "name": properties["Name"],
            "outputFormat": properties["OutputFormat"],
            "deliveryDestinationConfiguration": {
                "destinationResourceArn": properties["DestinationResourceArn"]
            },
        }
        destinations = cloudwatch_logs._delivery_destinations
        (name,) = create_record(destinations, cloudwatch_logs._put_delivery_destination, request)
        return name, {"Arn": destinations[name]["arn"]}

    def create_delivery(_name: str, properties: Properties, _stack: str) -> Created:
        names = ("DeliverySourceName", "DeliveryDestinationArn")
        request = {name[0].lower() + name[1:]: properties[name] for name in names}
        (delivery,) = create_record(cloudwatch_logs._deliveries, cloudwatch_logs._create_delivery, request)
        return delivery, {"DeliveryId": delivery}

    def create_health_check(name: str, properties: Properties, stack: str) -> Created:
        alarm = properties["HealthCheckConfig"]["AlarmIdentifier"]
        check = f"{stack}-{name}"
        route53._health_checks[check] = {
            "id": check,
            "caller_reference": check,
            "config": {**properties["HealthCheckConfig"], "AlarmIdentifier": alarm},
            "version": 1,
        }
        return check, {"HealthCheckId": check}

    def create_association(_name: str, properties: Properties, _stack: str) -> Created:
        status, _, answer = waf._associate_web_acl(properties)
        if status != 200:
            raise ValueError(answer)
        return properties["ResourceArn"], {}

    def delete_association(balancer: str, _properties: Properties) -> None:
        waf._associations.pop(balancer, None)

    def delete_address(_address: str, _properties: Properties) -> None: ...

    def delete_nat_gateway(gateway: str, _properties: Properties) -> None:
        ec2._delete_nat_gateway({"NatGatewayId": [gateway]})

    def delete_flow_log(flow_log: str, _properties: Properties) -> None:
        ec2._delete_flow_logs({"FlowLogId.1": [flow_log]})

    def delete_ingress(_name: str, _properties: Properties) -> None: ...

    def add_secret(handler: Callable[..., Created]) -> Callable[..., Created]:
        def handle(*arguments: Any, **options: Any) -> Created:
            database, attributes = handler(*arguments, **options)
            secret = f"arn:aws:secretsmanager:us-east-1:{get_account_id()}:secret:rds!db-{database}"
            return database, {**attributes, "MasterUserSecret.SecretArn": secret}

        return handle

    def add_formula(handler: Callable[..., Created]) -> Callable[..., Created]:
        def handle(*arguments: Any, **options: Any) -> Created:
            *others, properties, stack = arguments
            if "Metrics" in properties:
                properties = {**properties, "Namespace": FORMULA, "MetricName": FORMULA}
                del properties["Metrics"]
            return handler(*others, properties, stack, **options)

        return handle

    alarms = handlers["AWS::CloudWatch::Alarm"]
    alarms |= {action: add_formula(alarms[action]) for action in ("create", "update")}
    databases = handlers["AWS::RDS::DBInstance"]
    databases |= {action: add_secret(databases[action]) for action in ("create", "update")}
    handlers |= {
        "AWS::Backup::BackupSelection": {"create": create_selection, "delete": delete_selection},
        "AWS::Budgets::Budget": {"create": create_budget, "delete": delete_budget},
        "AWS::CloudWatch::CompositeAlarm": {
            "create": create_composite_alarm,
            "update": update_composite_alarm,
            "delete": delete_composite_alarm,
        },
        "AWS::EC2::EIP": {"create": create_address, "delete": delete_address},
        "AWS::EC2::NatGateway": {"create": create_nat_gateway, "delete": delete_nat_gateway},
        "AWS::EC2::FlowLog": {"create": create_flow_log, "delete": delete_flow_log},
        "AWS::EC2::SecurityGroupIngress": {"create": create_ingress, "delete": delete_ingress},
        "AWS::IAM::OIDCProvider": {"create": create_provider, "delete": delete_provider},
        "AWS::Logs::Delivery": {
            "create": create_delivery,
            "delete": lambda delivery, _: cloudwatch_logs._delete_delivery({"id": delivery}),
        },
        "AWS::Logs::DeliveryDestination": {
            "create": create_delivery_destination,
            "delete": lambda name, _: cloudwatch_logs._delete_delivery_destination({"name": name}),
        },
        "AWS::Logs::DeliverySource": {
            "create": create_delivery_source,
            "delete": lambda name, _: cloudwatch_logs._delete_delivery_source({"name": name}),
        },
        "AWS::Route53::HealthCheck": {
            "create": create_health_check,
            "delete": lambda check, _: route53._health_checks.pop(check, None),
        },
        "AWS::WAFv2::WebACLAssociation": {"create": create_association, "delete": delete_association},
    }
    for kind in PLACEHOLDER_TYPES:
        handlers[kind] = {"create": lambda name, *_: (name, {}), "delete": lambda *_: None}

    def create_slow_flow_log(*arguments: Any) -> Created:
        time.sleep(SLOW_SECONDS if get_account_id() == SLOW_ACCOUNT else 0)
        return create_flow_log(*arguments)

    def create_or_refuse_nat_gateway(*arguments: Any) -> Created:
        if get_account_id() == FAILING_ACCOUNT:
            raise ValueError("You have reached the limit of NAT gateways.")
        return create_nat_gateway(*arguments)

    evaluate_conditions = changesets._evaluate_conditions

    def evaluate_conditions_in_region(template: Any, parameters: dict[str, Any]) -> Any:
        return evaluate_conditions(template, {**parameters, "AWS::Region": {"Value": get_region()}})

    changesets._evaluate_conditions = stacks._evaluate_conditions = evaluate_conditions_in_region
    handlers["AWS::EC2::FlowLog"]["create"] = create_slow_flow_log
    handlers["AWS::EC2::NatGateway"]["create"] = create_or_refuse_nat_gateway
    is_blocking = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda kind: kind == "AWS::EC2::FlowLog" or is_blocking(kind)
    app.main()


def create_record(records: Any, create: Callable[[dict[str, list[str]]], Any], parameters: Any) -> list[str]:
    """Create a record of EC2 and return its id."""
    before = set(records)
    create(parameters)
    return [key for key in records if key not in before]


if __name__ == "__main__":
    main()
