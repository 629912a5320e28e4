"""Tests of the Redis users on a real Redis: each may run its program's commands on its keys only."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from tenantry_local.parts.redis import SERVICES_DATABASE, Redis
from tenantry_local.platform import Platform
from tenantry_local.redis_users import GATEWAY, N8N, OPEN_WEBUI, OPERATOR, PROBE_USER, USERS

OWN = {
    OPERATOR: "tenant-acl",
    GATEWAY: "tenant-acl",
    N8N: "bull:acl",
    OPEN_WEBUI: "open-webui:acl",
}
OTHERS = {user: sorted({*OWN.values(), "another:acl"} - {own}) for user, own in OWN.items()}
PUBLISHERS = {N8N: "n8n:n8n.commands", OPEN_WEBUI: "socketio"}

Connect = Callable[[str], Any]

DANGEROUS = [
    ("CONFIG", "GET", "*"),
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("ACL", "LIST"),
    ("DEBUG", "SLEEP", "0"),
    ("SHUTDOWN", "NOSAVE"),
    ("REPLICAOF", "NO", "ONE"),
    ("CLIENT", "LIST"),
    ("MODULE", "LIST"),
    ("SWAPDB", "0", "1"),
    ("SCRIPT", "FLUSH"),
]


@pytest.fixture
def connect(platform: Platform) -> Iterator[Connect]:
    """Return a function that connects as a user; keys of tests are deleted afterwards."""
    part, opened = Redis(platform.context), []

    def connect_as(user: str) -> Any:
        client = redis.Redis.from_url(part.build_url(SERVICES_DATABASE, user), decode_responses=True)
        opened.append(client)
        return client

    yield connect_as
    connect_as("").delete(*OWN.values(), "another:acl")
    for client in opened:
        client.close()


@pytest.mark.parametrize("user", USERS)
def test_a_user_reads_and_writes_under_its_own_prefix(connect: Connect, user: str) -> None:
    client, key = connect(user), OWN[user]
    with client.pipeline(transaction=True) as pipeline:
        pipeline.hset(key, "a", "1")
        pipeline.expire(key, 60)
        assert pipeline.execute() == [1, True]
    assert client.hgetall(key) == {"a": "1"}
    assert client.unlink(key) == 1


@pytest.mark.parametrize(("user", "key"), [(user, key) for user in USERS for key in OTHERS[user]])
def test_a_user_is_refused_under_every_other_prefix(connect: Connect, user: str, key: str) -> None:
    connect("").set(key, "another user's")
    client = connect(user)
    for command in (
        ("GET", key),
        ("SET", key, "x"),
        ("DEL", key),
        ("EXISTS", key),
        ("RENAME", OWN[user], key),
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command)
    if user != OPERATOR:
        with pytest.raises(redis.exceptions.ResponseError, match=r"(?i)permission|can't access"):
            client.eval("return redis.call('GET', ARGV[1])", 0, key)
    assert connect("").get(key) == "another user's"


@pytest.mark.parametrize("user", [*USERS, PROBE_USER])
@pytest.mark.parametrize("command", DANGEROUS, ids=" ".join)
def test_no_user_may_run_administrative_commands(
    platform: Platform, connect: Connect, user: str, command: tuple[str, ...]
) -> None:
    client = connect(user) if user in USERS else _probe(platform)
    with pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command)


@pytest.mark.parametrize("user", [GATEWAY, N8N, OPEN_WEBUI])
def test_only_the_operator_may_list_all_keys(connect: Connect, user: str) -> None:
    connect("").set(OWN[OPERATOR], "1")
    for command in (("SCAN", "0"), ("RANDOMKEY",)):
        with pytest.raises(redis.exceptions.NoPermissionError):
            connect(user).execute_command(*command)
    assert OWN[OPERATOR] in list(connect(OPERATOR).scan_iter("tenant-acl*"))


@pytest.mark.parametrize("user", USERS)
def test_channels_are_as_separate_as_keys(connect: Connect, user: str) -> None:
    client = connect(user)
    for owner, channel in PUBLISHERS.items():
        if owner == user:
            client.publish(channel, "hello")
        else:
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.publish(channel, "hello")


def test_only_users_that_need_scripts_may_run_them(connect: Connect) -> None:
    for user in (GATEWAY, N8N, OPEN_WEBUI):
        script = connect(user).register_script("return redis.call('SET', KEYS[1], redis.call('TIME')[1])")
        assert script(keys=[OWN[user]]) == "OK"


def test_the_probe_user_may_only_ping(platform: Platform) -> None:
    client = _probe(platform)
    assert client.ping()
    for command in (("GET", "tenant-acl"), ("INFO",), ("SELECT", "1")):
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command)


def test_commands_without_a_user_are_refused(platform: Platform) -> None:
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis(port=platform.context.ports["redis"]).ping()


def _probe(platform: Platform) -> Any:
    return redis.Redis(port=platform.context.ports["redis"], username=PROBE_USER, password="none")
