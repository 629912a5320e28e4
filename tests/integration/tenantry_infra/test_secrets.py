"""Tests of the chart's Secrets, made from the stacks in the emulator."""

import json
from pathlib import Path

import pytest
from tenantry_infra.errors import DeploymentError

from tests.support.aws.running import Emulator, make_environment_file, open_account
from tools.aws_secrets import build_secrets

ACCOUNT = "777788889999"
BUCKETS = {f"{kind}Bucket": f"{kind.lower()}-of-secrets" for kind in ("Documents", "Files", "Logs")}
"""Names of S3 are global, and other tests use those of dev in the same emulator."""


@pytest.fixture
def aws(emulator: Emulator) -> Emulator:
    return Emulator(emulator.url, ACCOUNT)


def test_secrets_are_made_from_the_stacks_and_stay(
    aws: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_environment_file(tmp_path, account=ACCOUNT, storage=BUCKETS)
    account = open_account(aws, file, monkeypatch)
    with pytest.raises(DeploymentError, match="Run `make aws-up` first"):
        build_secrets(account)

    assert aws.run_command("up", str(file))[0] == 0
    manager = aws.connect("secretsmanager")
    administrator = {"username": "tenantry_admin", "password": "from-rds"}
    manager.create_secret(Name="rds!db-tenantry-dev", SecretString=json.dumps(administrator))
    secrets = build_secrets(account)
    assert secrets["tenantry-databases"] == administrator
    of_redis = json.loads(manager.get_secret_value(SecretId="tenantry/redis/tenantry-n8n")["SecretString"])
    assert secrets["tenantry-n8n"]["redis-password"] == of_redis["password"]
    assert secrets["tenantry-gateway"]["redis-url"].startswith("rediss://tenantry-gateway:")
    assert build_secrets(account) == secrets

    entry = manager.describe_secret(SecretId="tenantry/tenantry-gateway")
    assert entry["KmsKeyId"].startswith(f"arn:aws:kms:us-east-1:{ACCOUNT}:key/")
