"""Tests of the entries of the chart's Secrets in AWS Secrets Manager."""

import json
from types import SimpleNamespace

import pytest
from joserfc.jwk import OKPKey
from tenantry_infra.errors import DeploymentError

from tools.aws_secrets import INCLUDED, PREFIX, PRIVATE_KEY, PUBLIC_KEYS, SHARED, SecretStore, create_missing
from tools.dev_secrets import Secrets, generate_secrets


class MissingEntryError(Exception):
    """There is no such entry."""


class FakeClient:
    """Client of AWS Secrets Manager that keeps entries in memory."""

    exceptions = SimpleNamespace(ResourceNotFoundException=MissingEntryError)

    def __init__(self) -> None:
        self.entries: dict[str, str] = {}

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803 (as in boto3)
        if SecretId not in self.entries:
            raise self.exceptions.ResourceNotFoundException
        return {"SecretString": self.entries[SecretId]}

    def create_secret(self, *, Name: str, SecretString: str, KmsKeyId: str) -> None:  # noqa: N803 (as in boto3)
        assert Name not in self.entries
        assert KmsKeyId
        self.entries[Name] = SecretString


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def store(client: FakeClient) -> SecretStore:
    return SecretStore(client, "key")


def generate() -> Secrets:
    data = generate_secrets(
        "tenantry",
        postgres="db.example:5432",
        redis_server="rediss://cache.example:6379",
        redis_passwords={
            f"tenantry-{name}": f"of-{name}" for name in ("operator", "gateway", "n8n", "open-webui")
        },
    )
    return {name: each for name, each in data.items() if name not in INCLUDED}


def test_all_entries_are_created_once_and_then_kept(store: SecretStore) -> None:
    first = create_missing(store, generate())
    assert create_missing(store, generate()) == first
    assert {name: store.read(f"{PREFIX}{name}") for name in first} == first


def test_hosts_and_passwords_of_the_data_tier_are_in_the_entries(store: SecretStore) -> None:
    entries = create_missing(store, generate())
    assert (
        entries["tenantry-gateway"]["redis-url"]
        == "rediss://tenantry-gateway:of-gateway@cache.example:6379/0"
    )
    assert entries["tenantry-n8n"]["redis-password"] == "of-n8n"
    assert entries["tenantry-file-sync"]["database-url"].endswith("@db.example:5432/openwebui")


@pytest.mark.parametrize("name", sorted(generate().keys() - {PRIVATE_KEY}))
def test_an_interrupted_run_is_continued_with_the_same_values(
    client: FakeClient, store: SecretStore, name: str
) -> None:
    create_missing(store, generate())
    del client.entries[f"{PREFIX}{name}"]
    entries = create_missing(store, generate())
    for group in SHARED:
        assert len({entries[secret][key] for secret, key in group}) == 1, group
    private = OKPKey.import_key(json.loads(entries[PRIVATE_KEY]["key.json"]))
    (public,) = json.loads(entries[PUBLIC_KEYS]["jwks.json"])["keys"]
    assert public == private.as_dict(private=False)


def test_a_public_key_without_its_private_key_is_refused(client: FakeClient, store: SecretStore) -> None:
    create_missing(store, generate())
    del client.entries[f"{PREFIX}{PRIVATE_KEY}"]
    with pytest.raises(DeploymentError, match="tenantry/tenantry-ticket-keys exists"):
        create_missing(store, generate())


def test_the_private_key_of_tickets_is_stored_before_the_public_one() -> None:
    names = sorted(generate())
    assert names.index(PRIVATE_KEY) < names.index(PUBLIC_KEYS)
