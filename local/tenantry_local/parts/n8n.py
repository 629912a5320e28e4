"""n8n in queue mode, as in production: main, webhook and worker process.

The main process migrates the database, so the other two processes start after it.
"""

import subprocess
from typing import ClassVar

from n8n_install.environment import ENVIRONMENT
from typing_extensions import override

from .. import redis_users
from ..context import Context, write_private
from ..jobs import run_job
from ..part import Command, PlatformPart, is_http_ok
from ..processes import LocalError
from ..programs import n8n
from ..programs.node import find_node
from . import redis

__all__ = ["OWNER", "N8n", "N8nWebhook", "N8nWorker"]

OWNER = "owner@tenantry.example"
"""E-mail address of n8n's owner; the secret ``n8n-owner`` is the password."""

CONCURRENCY = 10
"""Concurrent executions per worker; each mostly waits for the gateway."""

HASH_STDIN = """
const password = require("fs").readFileSync(0, "utf8")
process.stdout.write(require("bcryptjs").hashSync(password, 10))
"""

NO_TELEMETRY = {
    "N8N_DIAGNOSTICS_ENABLED": "false",
    "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
    "N8N_VERSION_NOTIFICATIONS_WHATS_NEW_ENABLED": "false",
    "N8N_TEMPLATES_ENABLED": "false",
    "N8N_PERSONALIZATION_ENABLED": "false",
    "N8N_HIRING_BANNER_ENABLED": "false",
    "N8N_DYNAMIC_BANNERS_ENABLED": "false",
    "N8N_COMMUNITY_PACKAGES_ENABLED": "false",
    "N8N_UNVERIFIED_PACKAGES_ENABLED": "false",
    "N8N_VERIFIED_PACKAGES_ENABLED": "false",
    "N8N_LICENSE_AUTO_RENEW_ENABLED": "false",
    "N8N_SENTRY_DSN": "",
    "N8N_DISABLED_MODULES": "mcp-registry,instance-ai,community-packages,chat-hub,insights",
    # The npm package lacks the Python virtual environment, and n8n would warn at each start.
    "N8N_PYTHON_ENABLED": "false",
}
"""Disables all requests to n8n's servers; the module ``mcp-registry`` would send one at each start."""


class _N8nProcess(PlatformPart):
    """One of n8n's processes."""

    subcommand: ClassVar[tuple[str, ...]]
    broker: ClassVar[str]
    """Name of the port that its task runner connects to."""
    start_timeout = 300.0

    @property
    @override
    def version(self) -> str:
        return n8n.get_version()

    @override
    def prepare(self) -> None:
        n8n.install(lambda text: self.context.report(self.name, text))

    @override
    def build_command(self) -> Command:
        program, runtime = n8n.install(lambda text: self.context.report(self.name, text)), find_node()
        # n8n starts its task runner as "node". This PATH leads to the tested Node.js before the system's.
        path = {"PATH": f"{runtime.root / 'bin'}:/usr/bin:/bin"}
        argv = [runtime.program, str(program), *self.subcommand]
        return Command(argv, path | self._build_env() | self._build_own_env())

    @override
    def is_healthy(self) -> bool:
        return is_http_ok(f"{self.url}/healthz/readiness")

    def _build_own_env(self) -> dict[str, str]:
        return {"N8N_PORT": str(self.context.ports[self.name])}

    def _build_env(self) -> dict[str, str]:
        ports, secrets = self.context.ports, self.context.secrets
        return {
            **NO_TELEMETRY,
            **ENVIRONMENT,
            "N8N_ENCRYPTION_KEY": secrets["n8n"],
            "N8N_USER_FOLDER": str(self.context.create_folder("data", self.name)),
            "N8N_LISTEN_ADDRESS": "127.0.0.1",
            "N8N_RUNNERS_BROKER_PORT": str(ports[self.broker]),
            "N8N_GRACEFUL_SHUTDOWN_TIMEOUT": "10",
            "N8N_EDITOR_BASE_URL": self.context.build_url("n8n"),
            "WEBHOOK_URL": self.context.build_url("n8n-webhook"),
            "N8N_SECURE_COOKIE": "false",  # plain HTTP on 127.0.0.1
            "N8N_INSTANCE_OWNER_MANAGED_BY_ENV": "true",
            "N8N_INSTANCE_OWNER_EMAIL": OWNER,
            "N8N_INSTANCE_OWNER_FIRST_NAME": "Tenantry",
            "N8N_INSTANCE_OWNER_LAST_NAME": "Owner",
            "N8N_INSTANCE_OWNER_PASSWORD_HASH": _hash_owner_password(self.context),
            "N8N_METRICS": "true",
            "N8N_METRICS_INCLUDE_QUEUE_METRICS": "true",
            "DB_TYPE": "postgresdb",
            "DB_POSTGRESDB_HOST": "127.0.0.1",
            "DB_POSTGRESDB_PORT": str(ports["postgres"]),
            "DB_POSTGRESDB_DATABASE": "n8n",
            "DB_POSTGRESDB_USER": "n8n",
            "DB_POSTGRESDB_PASSWORD": secrets["postgres-n8n"],
            "QUEUE_BULL_REDIS_HOST": "127.0.0.1",
            "QUEUE_BULL_REDIS_PORT": str(ports["redis"]),
            "QUEUE_BULL_REDIS_USERNAME": redis_users.N8N,
            "QUEUE_BULL_REDIS_PASSWORD": secrets[redis.get_secret_name(redis_users.N8N)],
            "QUEUE_BULL_REDIS_DB": str(redis.N8N_DATABASE),
        }


class N8n(_N8nProcess):
    """Main process: editor, REST API, schedules and queue metrics."""

    name = "n8n"
    summary = "editor and API"
    subcommand = ("start",)
    broker = "n8n-broker-main"
    depends_on = ("postgres", "redis")
    ports = ("n8n", "n8n-broker-main")

    @override
    def _build_own_env(self) -> dict[str, str]:
        return super()._build_own_env() | {"N8N_DISABLE_PRODUCTION_MAIN_PROCESS": "true"}


class N8nWorker(_N8nProcess):
    """Worker process, which runs the workflows."""

    name = "n8n-worker"
    summary = "runs workflows"
    subcommand = ("worker", f"--concurrency={CONCURRENCY}")
    broker = "n8n-broker-worker"
    depends_on = ("n8n",)
    ports = ("n8n-worker", "n8n-broker-worker")

    @override
    def _build_own_env(self) -> dict[str, str]:
        return {
            "QUEUE_HEALTH_CHECK_ACTIVE": "true",
            "QUEUE_HEALTH_CHECK_PORT": str(self.context.ports[self.name]),
            "N8N_WORKER_SERVER_ADDRESS": "127.0.0.1",
        }


class N8nWebhook(_N8nProcess):
    """Webhook process. Its provisioning imports the workflows, because the job waits for their webhooks."""

    name = "n8n-webhook"
    summary = "webhooks"
    subcommand = ("webhook",)
    broker = "n8n-broker-webhook"
    depends_on = ("n8n",)
    ports = ("n8n-webhook", "n8n-broker-webhook")

    @override
    def provision(self) -> None:
        settings = {
            "N8N_INSTALL_URL": self.context.build_url("n8n"),
            "N8N_INSTALL_WEBHOOK_URL": self.url,
            "N8N_INSTALL_EMAIL": OWNER,
            "N8N_INSTALL_PASSWORD": self.context.secrets["n8n-owner"],
            "N8N_INSTALL_GATEWAY_URL": self.context.build_url("gateway"),
        }
        self.context.report(self.name, "importing the workflows")
        run_job("n8n_install", settings)


def _hash_owner_password(context: Context) -> str:
    """Return the bcrypt hash of the owner's password; stored, because each new hash would restart n8n."""
    file = context.state / "n8n" / "owner.hash"
    if not file.exists():
        tree = n8n.install(lambda _: None).parents[3]
        done = subprocess.run(
            [find_node().program, "-e", HASH_STDIN],
            cwd=tree,
            input=context.secrets["n8n-owner"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LocalError(f"Hashing the password of n8n's owner failed:\n{done.stderr[-500:]}")
        write_private(file, done.stdout)
    return file.read_text()
