"""Entries of the chart's Secrets in AWS Secrets Manager: ``python -m tools.aws_secrets dev``.

    make aws-secrets ENV=dev | kubectl apply -n tenantry -f -

Missing entries are created, and existing ones are kept. Then all are printed as Secrets for kubectl.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from joserfc.jwk import OKPKey
from tenantry_infra.account import AwsAccount
from tenantry_infra.environment import Environment, find_environment
from tenantry_infra.errors import DeploymentError
from tenantry_infra.stacks import find_stack
from tenantry_local import redis_users

from .dev_secrets import Secrets, generate_secrets, make_list

__all__ = ["INCLUDED", "SecretStore", "create_missing", "main"]

PREFIX = "tenantry/"
"""Prefix of the entries: the default of the chart's ``global.secretsStore.prefix``."""

INCLUDED = ("tenantry-postgres", "tenantry-redis", "tenantry-keycloak")
"""Secrets of servers that the chart does not install on EKS."""

ADMINISTRATOR = "tenantry-databases"
"""Secret with the administrator of RDS. It is read in each run, because RDS changes the password."""

PRIVATE_KEY, PUBLIC_KEYS = "tenantry-ticket-key", "tenantry-ticket-keys"

SHARED = (
    (
        ("tenantry-qdrant", "api-key"),
        ("tenantry-gateway", "qdrant-api-key"),
        ("tenantry-operator", "qdrant-api-key"),
    ),
    (("tenantry-open-webui", "admin-password"), ("tenantry-operator", "open-webui-password")),
    (("tenantry-file-sync", "hint-secret"), ("tenantry-open-webui", "hint-secret")),
)
"""Keys with the same value."""


class SecretStore:
    """AWS Secrets Manager.

    Parameters
    ----------
    client
        Client of the service.
    key_arn
        Key that encrypts new entries.
    """

    def __init__(self, client: Any, key_arn: str) -> None:
        self._client = client
        self._key_arn = key_arn

    def read(self, name: str) -> dict[str, str] | None:
        """Return the value of an entry; None if there is none."""
        try:
            value = self._client.get_secret_value(SecretId=name)["SecretString"]
        except self._client.exceptions.ResourceNotFoundException:
            return None
        data: dict[str, str] = json.loads(value)
        return data

    def create(self, name: str, data: Mapping[str, str]) -> None:
        """Create an entry."""
        self._client.create_secret(Name=name, SecretString=json.dumps(data), KmsKeyId=self._key_arn)


def create_missing(store: SecretStore, generated: Secrets) -> Secrets:
    """Create the missing entries, and return all of them. Missing entries get the values of existing ones.

    Raises
    ------
    DeploymentError
        The public key of tickets exists without its private key.
    """
    existing = {name: store.read(f"{PREFIX}{name}") for name in generated}
    entries = {name: dict(existing[name] or data) for name, data in generated.items()}
    for group in SHARED:
        known = [entries[name][key] for name, key in group if existing[name]]
        for name, key in group:
            if known and not existing[name]:
                entries[name][key] = known[0]
    if existing[PRIVATE_KEY]:
        private = OKPKey.import_key(json.loads(entries[PRIVATE_KEY]["key.json"]))
        if not existing[PUBLIC_KEYS]:
            entries[PUBLIC_KEYS] = {"jwks.json": json.dumps({"keys": [private.as_dict(private=False)]})}
    elif existing[PUBLIC_KEYS]:
        raise DeploymentError(
            f"{PREFIX}{PUBLIC_KEYS} exists in Secrets Manager, but its private key does not. "
            f"Restore {PREFIX}{PRIVATE_KEY}, or delete both. Then run the command again."
        )
    # The private key comes first: the public one can be made from it.
    for name in sorted(entries):
        if not existing[name]:
            store.create(f"{PREFIX}{name}", entries[name])
    return entries


def _read_outputs(account: AwsAccount, names: Iterable[str]) -> dict[str, str]:
    environment = account.environment
    outputs: dict[str, str] = {}
    for stack in map(find_stack, names):
        state = account.get_cloudformation(stack).get_state(environment.get_stack_name(stack))
        outputs |= state.outputs
    missing = {"DatabaseHost", "DatabaseSecret", "CacheHost", "DataKeyArn"} - outputs.keys()
    if missing:
        raise DeploymentError(
            f"The stacks of {environment.name} have no output {', '.join(sorted(missing))}. "
            "Run `make aws-up` first. Without ElastiCache, create the entries as docs/how-to/secrets.md says."
        )
    return outputs


def _read_required(store: SecretStore, name: str) -> dict[str, str]:
    data = store.read(name)
    if data is None:
        raise DeploymentError(f"The entry {name} does not exist in Secrets Manager. Run `make aws-up` first.")
    return data


def build_secrets(account: AwsAccount) -> Secrets:
    """Return the Secrets of an environment, after missing entries were created.

    Raises
    ------
    DeploymentError
        The stacks do not exist yet.
    """
    outputs = _read_outputs(account, ("keys", "data"))
    store = SecretStore(account.get_secrets_manager(), outputs["DataKeyArn"])
    passwords = {
        user: _read_required(store, f"tenantry/redis/{user}")["password"] for user in redis_users.USERS
    }
    generated = generate_secrets(
        "tenantry",
        postgres=f"{outputs['DatabaseHost']}:5432",
        redis_server=f"rediss://{outputs['CacheHost']}:6379",
        redis_passwords=passwords,
    )
    entries = create_missing(store, {name: data for name, data in generated.items() if name not in INCLUDED})
    administrator = _read_required(store, outputs["DatabaseSecret"])
    return entries | {ADMINISTRATOR: {key: administrator[key] for key in ("username", "password")}}


def main() -> None:
    """Run the command line."""
    environment = Environment.load(find_environment(sys.argv[1]))
    account = AwsAccount(environment)
    account.check()
    json.dump(make_list(build_secrets(account)), sys.stdout, indent=2)


if __name__ == "__main__":
    try:
        main()
    except DeploymentError as exc:
        raise SystemExit(str(exc)) from exc
