"""S3, IAM and STS: ministack with IAM enforcement, so that a wrong policy fails locally.

Each service has a user whose only right is to assume the service's role, like a pod's service account on EKS.
The policies are those of ``infra/iam``.
"""

import configparser
import io
import json
import threading
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from typing_extensions import override

from ..context import REPOSITORY, write_private
from ..part import Command, PlatformPart, find_program

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["ACCOUNT", "BUCKET", "FILES_BUCKET", "REGION", "Aws"]

ACCOUNT = "000000000000"
BUCKET = "digital-twin-docs-dev"
FILES_BUCKET = "open-webui-files-dev"
"""Bucket of the files that users upload to Open WebUI; file-sync is the only other reader."""

REGION = "us-east-1"
POLICIES = REPOSITORY / "infra" / "iam"
SESSION_LOCK = threading.Lock()
"""Lock for the creation of clients: a session of boto3 can create only one at a time."""

ROLE_SERVICES = ("operator", "gateway", "file-sync", "qdrant-snapshots")


class Aws(PlatformPart):
    """S3 with the buckets, and IAM with the services' users and roles."""

    name = "aws"
    summary = "S3, IAM (ministack)"
    real = False
    ports = ("aws",)

    @property
    @override
    def version(self) -> str:
        return version("ministack")

    @property
    def config_file(self) -> Path:
        """Return the AWS configuration file, with a profile per service that has a role."""
        return self.context.state / "aws" / "config"

    @override
    def prepare(self) -> None:
        write_private(self.config_file, self._build_config())

    @override
    def build_command(self) -> Command:
        data = self.context.create_folder("data", "aws")
        return Command(
            [find_program("ministack")],
            {
                "AUTH": "true",
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(self.context.ports["aws"]),
                "MINISTACK_REGION": REGION,
                "PERSIST_STATE": "1",
                "S3_PERSIST": "1",
                "STATE_DIR": str(data / "state"),
                "S3_DATA_DIR": str(data / "s3"),
                "LOG_LEVEL": "WARNING",
            },
        )

    @override
    def is_healthy(self) -> bool:
        try:
            self.s3.list_buckets()
        except (BotoCoreError, ClientError):
            return False
        return True

    @override
    def provision(self) -> None:
        self._ensure_bucket()
        self._ensure_files_bucket()
        iam = self._get_root_client("iam")
        for service in ROLE_SERVICES:
            self._ensure_user(
                iam, service, policy=json.dumps(_build_assume_role_policy(f"tenantry-{service}"))
            )
            trust = _render("trust", principal=f"arn:aws:iam::{ACCOUNT}:user/tenantry-{service}")
            self._ensure_role(iam, service, trust)
        self._ensure_role(iam, "tenant", _render("tenant-trust", account=ACCOUNT))
        self._ensure_role(iam, "models", _render("models-trust", account=ACCOUNT))
        self._ensure_role(iam, "retention", _render("retention-trust", account=ACCOUNT))
        # Open WebUI uses a key pair and assumes no role.
        self._ensure_user(iam, "open-webui", policy=_build_policy("open-webui"))

    @cached_property
    def s3(self) -> "S3Client":
        """Return an S3 client with the rights of the account's root."""
        client: S3Client = self._get_root_client("s3")
        return client

    def _get_root_client(self, service: str) -> Any:
        config = Config(connect_timeout=2, read_timeout=20, retries={"total_max_attempts": 1})
        with SESSION_LOCK:
            return _open_root_session().client(service, endpoint_url=self.url, config=config)

    def _ensure_bucket(self) -> None:
        if BUCKET in {bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]}:
            return
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        self.s3.put_bucket_encryption(
            Bucket=BUCKET,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
        self.s3.put_bucket_lifecycle_configuration(
            Bucket=BUCKET,
            LifecycleConfiguration={
                "Rules": [
                    {
                        "ID": "archive",
                        "Status": "Enabled",
                        "Filter": {"Prefix": ""},
                        "Transitions": [{"Days": 90, "StorageClass": "GLACIER_IR"}],
                        "NoncurrentVersionExpiration": {"NoncurrentDays": 31},
                        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                    }
                ]
            },
        )

    def get_key_pair(self, service: str) -> tuple[str, str]:
        """Return the access key of a service's user: the id and the secret."""
        key = json.loads(self._get_key_file(service).read_text())
        return key["AccessKeyId"], key["SecretAccessKey"]

    def _ensure_files_bucket(self) -> None:
        if FILES_BUCKET in {bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]}:
            return
        self.s3.create_bucket(Bucket=FILES_BUCKET)

    def _ensure_user(self, iam: Any, service: str, *, policy: str) -> None:
        name, file = f"tenantry-{service}", self._get_key_file(service)
        _create_if_missing(iam.create_user, UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="tenantry", PolicyDocument=policy)
        # ministack may have lost a key in a crash although the key file is still there.
        known = {key["AccessKeyId"] for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]}
        if not file.exists() or self.get_key_pair(service)[0] not in known:
            key = iam.create_access_key(UserName=name)["AccessKey"]
            write_private(file, json.dumps({k: key[k] for k in ("AccessKeyId", "SecretAccessKey")}))
        self._write_credentials()

    def _get_key_file(self, service: str) -> Path:
        return self.context.state / "aws" / f"{service}.json"

    def _ensure_role(self, iam: Any, service: str, trust: str) -> None:
        name = f"tenantry-{service}"
        _create_if_missing(iam.create_role, RoleName=name, AssumeRolePolicyDocument=trust)
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
        iam.put_role_policy(RoleName=name, PolicyName="tenantry", PolicyDocument=_build_policy(service))

    def _write_credentials(self) -> None:
        file = configparser.ConfigParser()
        for service in ROLE_SERVICES:
            if self._get_key_file(service).exists():
                identifier, secret = self.get_key_pair(service)
                file[f"{service}-user"] = {"aws_access_key_id": identifier, "aws_secret_access_key": secret}
        write_private(self.config_file.with_name("credentials"), _to_text(file))

    def _build_config(self) -> str:
        file = configparser.ConfigParser()
        file["services local"] = {
            name: f"\nendpoint_url = {url}"
            for name, url in {
                "s3": self.url,
                "sts": self.url,
                "iam": self.url,
                "bedrock": self.context.build_url("bedrock"),
                "bedrock_runtime": self.context.build_url("bedrock"),
            }.items()
        }
        for service in ROLE_SERVICES:
            common = {"region": REGION, "services": "local"}
            file[f"profile {service}-user"] = common
            file[f"profile {service}"] = common | {
                "role_arn": f"arn:aws:iam::{ACCOUNT}:role/tenantry-{service}",
                "source_profile": f"{service}-user",
            }
        return _to_text(file)


@cache
def _open_root_session() -> Any:
    """Return the cached session of the account's root. Its creation takes 0.1 s of CPU time."""
    import boto3  # noqa: PLC0415 (it takes 0.4 s, and most commands of `tenantry` need no AWS)
    import botocore.session  # noqa: PLC0415

    # AWS_PROFILE names the profile of a service in tests; this session has no such profile.
    core = botocore.session.Session(session_vars={"profile": (None, [], None, None)})
    # ministack treats this key pair as the account's root.
    return boto3.Session("test", "test", region_name=REGION, botocore_session=core)


def _to_text(file: configparser.ConfigParser) -> str:
    buffer = io.StringIO()
    file.write(buffer)
    return buffer.getvalue()


def _create_if_missing(create: Any, **arguments: Any) -> None:
    try:
        create(**arguments)
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "EntityAlreadyExists":
            raise


def _build_assume_role_policy(role: str) -> dict[str, Any]:
    resource = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": resource}],
    }


def _render(name: str, **values: str) -> str:
    """Return a policy document with its variables filled in; AWS' variables (``${aws:...}``) are kept."""
    return Template((POLICIES / f"{name}.json").read_text()).safe_substitute(values)


def _build_policy(service: str) -> str:
    """Return a role's policy.

    ministack treats ``${aws:PrincipalTag/tenant}`` as a literal and would deny everything. So the local
    tenant role covers the prefix of every tenant, and only the session policy restricts it to one tenant.
    """
    document = _render(service, bucket=BUCKET, files=FILES_BUCKET, account=ACCOUNT)
    return document.replace("${aws:PrincipalTag/tenant}", "tenant-*")
