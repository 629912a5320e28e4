"""Credentials of the services' roles, as pods on EKS get them."""

import json
from typing import Any

import boto3
from tenantry_local.parts.aws import ACCOUNT, REGION, Aws

__all__ = ["assume_role", "create_open_webui_role"]

SESSION_SECONDS = 12 * 3600
"""Maximum duration of a role's session."""


def create_open_webui_role(aws: Aws) -> None:
    """Create the role of Open WebUI, which is a user with the same policy on the local platform."""
    name = "tenantry-open-webui"
    iam: Any = boto3.client(
        "iam", endpoint_url=aws.url, region_name=REGION,
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    policy = iam.get_user_policy(UserName=name, PolicyName="tenantry")["PolicyDocument"]
    trust = _allow("sts:AssumeRole", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/{name}"})
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName=name, PolicyName="tenantry", PolicyDocument=json.dumps(policy))
    assume = _allow("sts:AssumeRole", Resource=f"arn:aws:iam::{ACCOUNT}:role/{name}")
    iam.put_user_policy(UserName=name, PolicyName="assume", PolicyDocument=json.dumps(assume))


def _allow(action: str, **fields: Any) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": action, **fields}],
    }


def assume_role(aws: Aws, service: str) -> dict[str, str]:
    """Return credentials of a session of a service's role."""
    key, secret = aws.get_key_pair(service)
    sts = boto3.client(
        "sts", endpoint_url=aws.url, region_name=REGION, aws_access_key_id=key, aws_secret_access_key=secret
    )
    response = sts.assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/tenantry-{service}",
        RoleSessionName="e2e",
        DurationSeconds=SESSION_SECONDS,
    )["Credentials"]
    credentials = {name: response[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
    return credentials | {"Expiration": response["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ")}
