"""Redis, from a Python package that contains it or from the PATH."""

import subprocess
from functools import cached_property
from pathlib import Path

import redis
from typing_extensions import override

from ..context import write_private
from ..part import Command, PlatformPart, find_program
from ..redis_users import USERS, build_acl_file

__all__ = ["N8N_DATABASE", "OPEN_WEBUI_DATABASE", "SERVICES_DATABASE", "Redis", "get_secret_name"]

SERVICES_DATABASE, OPEN_WEBUI_DATABASE, N8N_DATABASE = 0, 1, 2
"""Number of each program's database, so that their keys cannot collide."""


class Redis(PlatformPart):
    """Store of limits, usage counters and cached answers."""

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
        """Return the URL with all rights on the services' database; it contains the password."""
        return self.build_url(SERVICES_DATABASE)

    def build_url(self, database: int, user: str = "") -> str:
        """Return the URL of a numbered database; it contains the user's password.

        Parameters
        ----------
        user
            One of :data:`~tenantry_local.redis_users.USERS`; empty for the user with all rights.
        """
        password = self.context.secrets[get_secret_name(user)]
        return f"redis://{user}:{password}@127.0.0.1:{self.context.ports['redis']}/{database}"

    @override
    def prepare(self) -> None:
        # In files, so that the process list shows no password.
        settings = {
            "bind": "127.0.0.1",
            "port": self.context.ports["redis"],
            "dir": self.context.create_folder("data", "redis"),
            "appendonly": "no" if self.context.ephemeral else "yes",
            "save": '""',
            "auto-aof-rewrite-min-size": "4mb",  # removes deleted keys from the file soon
        }
        lines = [f"{key} {value}" for key, value in settings.items()]
        write_private(self._settings, "\n".join(lines) + "\n")
        secrets = self.context.secrets
        passwords = {user: secrets[get_secret_name(user)] for user in USERS}
        write_private(self._users, build_acl_file(passwords, admin=secrets[get_secret_name("")]))

    @override
    def build_command(self) -> Command:
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


def get_secret_name(user: str) -> str:
    """Return the name of the secret that is a user's password."""
    return user.replace("tenantry", "redis", 1) if user else "redis"
