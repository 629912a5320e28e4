"""Redis, from the PATH or from a Python package that carries it."""

import subprocess
from functools import cached_property
from pathlib import Path

import redis
from typing_extensions import override

from ..context import write_private
from ..part import Command, Part, find_program
from ..redis_users import USERS, acl_file

__all__ = ["N8N_DATABASE", "OPEN_WEBUI_DATABASE", "SERVICES_DATABASE", "Redis", "secret_name"]

SERVICES_DATABASE, OPEN_WEBUI_DATABASE, N8N_DATABASE = 0, 1, 2
"""The numbered database of each program, so that none can meet another's keys."""


class Redis(Part):
    """Where tenants' limits and answers are kept, and what they use is counted."""

    name = "redis"
    summary = "limits, counters, answers"
    ports = ("redis",)

    @cached_property
    @override
    def version(self) -> str:
        printed = subprocess.run(
            [find_program("redis-server"), "--version"], capture_output=True, text=True, check=True
        )
        return printed.stdout.split("v=")[1].split()[0]

    @property
    @override
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.context.ports['redis']}"

    @property
    def url_with_password(self) -> str:
        """The URL for tests and tools, with every right on the database of our services; it is a secret."""
        return self.url_for(SERVICES_DATABASE)

    def url_for(self, database: int, user: str = "") -> str:
        """Return the URL of one of the numbered databases, with a user's password: it is a secret.

        Parameters
        ----------
        user
            One of :data:`~tenantry_local.redis_users.USERS`; empty for the one with every right.
        """
        password = self.context.secrets[secret_name(user)]
        return f"redis://{user}:{password}@127.0.0.1:{self.context.ports['redis']}/{database}"

    @override
    def prepare(self) -> None:
        # In files, so that no password is in the list of processes.
        settings = {
            "bind": "127.0.0.1",
            "port": self.context.ports["redis"],
            "dir": self.context.folder("data", "redis"),
            "appendonly": "no" if self.context.ephemeral else "yes",
            "save": '""',
            "auto-aof-rewrite-min-size": "4mb",  # deleted keys are gone from the file soon
        }
        lines = [f"{key} {value}" for key, value in settings.items()]
        write_private(self._settings, "\n".join(lines) + "\n")
        secrets = self.context.secrets
        passwords = {user: secrets[secret_name(user)] for user in USERS}
        write_private(self._users, acl_file(passwords, admin=secrets[secret_name("")]))

    @override
    def command(self) -> Command:
        return Command([find_program("redis-server"), str(self._settings), "--aclfile", str(self._users)])

    @override
    def is_healthy(self) -> bool:
        try:
            with redis.Redis.from_url(self.url_with_password, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    @property
    def _settings(self) -> Path:
        return self.context.state / "redis.conf"

    @property
    def _users(self) -> Path:
        return self.context.state / "redis.acl"


def secret_name(user: str) -> str:
    """Return the name of a user's password among the platform's secrets."""
    return user.replace("tenantry", "redis", 1) if user else "redis"
